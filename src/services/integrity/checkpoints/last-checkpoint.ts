/**
 * The last checkpoint, judged before the next one is built on it. Whoever owns the database can write any row of it, and
 * must not get a history of their own signed by the key that they do not have.
 *
 * L1: it is signed with a key that this process was given: its own, or a former one that stands in the same file. What the
 *     database says of keys counts for nothing.
 * L2: it is of this number and this installation.
 * L3: it goes on from what this process signed or saw last, hash by hash: it is not below that, and not beside it.
 * L4: the standings that the next one begins at are those under its root.
 */
import { verify } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import { merkleRoot } from '#kernel/merkle.ts';
import type { Session } from '#platform/postgres/session.ts';
import { checkpointHash, inLogOrder, type LogStanding, logLeaf } from './checkpoint.ts';
import { type ChainLink, type LastRow, readChain } from './checkpoint-store.ts';
import type { SigningKey } from './signing-key.ts';

/** Bodies in memory at once: half a megabyte. */
const CHAIN_PAGE = 1000;

/** As it was signed. */
export interface LastCheckpoint {
  readonly number: number;
  readonly body: string;
  readonly at: EpochMs;
  /** How many partitions it covers, of all logs. */
  readonly logs: number;
  readonly logsRoot: string;
  /** By the database's clock. */
  readonly ageMs: number;
}

/** L1, L2. A text says why it cannot be built on. */
export function openLast(
  { number, body, signature, ageMs }: LastRow,
  { key, installation }: { readonly key: SigningKey; readonly installation: string },
): LastCheckpoint | string {
  const signer = [...key.known].find(([, known]) => verify(null, Buffer.from(body), known, signature));
  if (signer === undefined) return `no key that this process was given has signed checkpoint ${number}`;
  const claims = JSON.parse(body) as {
    number: number;
    installation: string;
    at: string;
    logs: number;
    logs_root: string;
  };
  if (claims.number !== number) return `checkpoint ${number} was signed as number ${claims.number}`;
  if (claims.installation !== installation)
    return `checkpoint ${number} is of the installation ${claims.installation}`;
  const { at, logs, logs_root: logsRoot } = claims;
  return { number, body, at: Date.parse(at), logs, logsRoot, ageMs };
}

/** L4. Partitions of a topic that came later have no standing yet, and are not among the leaves. */
export function standingsFault(last: LastCheckpoint, standings: readonly LogStanding[]): string | undefined {
  const root = merkleRoot(inLogOrder(standings).map(logLeaf)).toString('hex');
  return standings.length === last.logs && root === last.logsRoot
    ? undefined
    : `where the logs stood at checkpoint ${last.number} is not what was signed`;
}

/** L3. Of one process, for as long as it runs. */
export class ChainMemory {
  #seen: { readonly number: number; readonly hash: string } | undefined;

  note({ number, body }: ChainLink): void {
    this.#seen = { number, hash: checkpointHash(body) };
  }

  /** Why the chain does not go on from what was seen; if it does, its end is what was seen last. */
  async follow(session: Session, last: ChainLink | undefined): Promise<string | undefined> {
    const seen = this.#seen;
    if (seen !== undefined && (last?.number ?? 0) < seen.number)
      return `the last checkpoint is ${last?.number ?? 'gone'}, and this process has seen ${seen.number}`;
    if (last === undefined) return undefined;
    const fault = seen === undefined ? undefined : await faultBetween(session, seen, last);
    if (fault === undefined) this.note(last);
    return fault;
  }
}

async function faultBetween(
  session: Session,
  seen: { readonly number: number; readonly hash: string },
  last: ChainLink,
): Promise<string | undefined> {
  let { number, hash } = seen;
  while (number < last.number) {
    // oxlint-disable-next-line no-await-in-loop -- a page at a time is what bounds memory
    const links = await readChain(session, { after: number, upTo: last.number, limit: CHAIN_PAGE });
    if (links.length === 0) return `checkpoint ${number + 1} is not there`;
    for (const link of links) {
      if (link.number !== number + 1 || previousOf(link) !== hash)
        return `checkpoint ${link.number} does not follow from checkpoint ${number}, which this process has seen`;
      ({ number } = link);
      hash = checkpointHash(link.body);
    }
  }
  return hash === checkpointHash(last.body)
    ? undefined
    : `checkpoint ${last.number} is another one than this process has seen`;
}

/** Undefined of what is no JSON. */
function previousOf({ body }: ChainLink): string | undefined {
  try {
    return (JSON.parse(body) as { previous?: string }).previous;
  } catch {
    return undefined; // nothing that somebody has signed
  }
}
