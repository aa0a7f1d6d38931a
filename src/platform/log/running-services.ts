/** Which services the living processes of an installation run, as they say with their leases. */
import type { Reader } from '../postgres/read-pool.ts';
import { statement } from '../postgres/session.ts';
import { LEASE_TTL_MS } from './lease-keeper.ts';

/** The (few) processes, whole. Who has not been seen for as long as a lease lasts does not live. By the database's clock. */
export const FIND_RUNNING_SERVICES = statement(
  'log.find_running_services',
  `select distinct service from log.processes p cross join lateral unnest(p.services) as service
   where p.seen_at > clock_timestamp() - make_interval(secs => ${LEASE_TTL_MS / 1000})`,
);

export interface RunningService {
  readonly service: string;
}

/** How long an answer holds: processes say so every second. */
const HOLDS_MS = 1000;

export class RunningServices {
  readonly #reader: Reader;
  #found: Promise<ReadonlySet<string>> | undefined;
  /** On the clock of `performance`. */
  #askedAt = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Whether some process runs it, as of a second ago at most. */
  async has(service: string): Promise<boolean> {
    if (this.#found === undefined || performance.now() - this.#askedAt >= HOLDS_MS) this.#ask();
    return (await this.#found)?.has(service) ?? false;
  }

  #ask(): void {
    this.#askedAt = performance.now();
    const found = this.#find();
    this.#found = found;
    // Whoever waits for it hears of the failure; the next one asks again.
    found.catch(() => {
      if (this.#found === found) this.#found = undefined;
    });
  }

  async #find(): Promise<ReadonlySet<string>> {
    const rows = await this.#reader.query<RunningService>(FIND_RUNNING_SERVICES.text, []);
    return new Set(rows.map(({ service }) => service));
  }
}
