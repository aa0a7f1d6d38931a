/**
 * Which addresses a name has. Whose names tenants choose, they choose the name servers of: one that never answers must cost
 * nobody else's names anything.
 */
import { lookup, Resolver } from 'node:dns/promises';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** A port, so that a test can say what a name resolves to. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** A try, and how many; the second waits twice as long. Together less than a connection may take. */
const TRY_MS = 1000;
const TRIES = 2;

/**
 * As the machine resolves it, `/etc/hosts` included: where tenants are trusted. Each lookup keeps one of the process' threads, of which
 * names get two, until it is over: two names of a server that does not answer hold up all others for ten seconds (measured).
 */
export const resolveBySystem: Resolve = (hostname) => lookup(hostname, { all: true });

/**
 * As DNS has it, asked over sockets of our own, however many are asked for at once. No `/etc/hosts` and no search domain: they lead to
 * what stands beside us. Those of IPv4 come first, since not every machine has the other.
 */
export function resolveByDns(servers?: readonly string[]): Resolve {
  return async (hostname) => {
    // Anew for each name, so that a change of the machine's name servers is heard of (60 µs).
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const found = answers.flatMap((answer, index) =>
      answer.status === 'fulfilled'
        ? answer.value.map((address) => ({ address, family: [4, 6][index] ?? 4 }))
        : [],
    );
    const [first] = answers;
    if (found.length === 0 && first.status === 'rejected') throw first.reason;
    return found;
  };
}
