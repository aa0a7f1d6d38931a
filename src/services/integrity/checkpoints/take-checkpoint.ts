/**
 * Makes the next checkpoint. It locks nothing: what it covers is committed and stays, and the primary key of its number
 * decides between processes.
 *
 * It refuses to sign a log that is shorter than the last checkpoint says, or whose batches and chain values do not follow
 * from there: a checkpoint never covers up for what came before it. What the last checkpoint says is what was signed, and
 * not what tables say of it (`last-checkpoint.ts`).
 */
import { setImmediate } from 'node:timers/promises';
import { type Clock, type EpochMs } from '#kernel/clock.ts';
import { merkleRoot } from '#kernel/merkle.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import type { Session } from '#platform/postgres/session.ts';
import {
  checkpointHash,
  inLogOrder,
  type LogStanding,
  renderCheckpoint,
  splitDigests,
} from './checkpoint.ts';
import {
  type BatchPage,
  findLastCheckpoint,
  insertCheckpoint,
  type LogNow,
  readLogsNow,
  readPages,
} from './checkpoint-store.ts';
import { vouchersOf } from './key-vouchers.ts';
import { type ChainMemory, type LastCheckpoint, openLast, standingsFault } from './last-checkpoint.ts';
import type { SigningKey } from './signing-key.ts';

/**
 * Of each partition in one statement: some 15 ms of the database at 16 partitions. A power of two, so that the root over the
 * pages' roots is the root over all batches, and no more than a page is hashed at a time.
 */
const PAGE_BATCHES = 128;
/**
 * So many batches of a partition at most are in one checkpoint, and a receipt reads no more; what is left is for the next
 * one. At 6000 payments a second a partition has some 3000 batches a minute.
 */
const STRETCH_PAGES_MAX = 128;
/** Nothing new is worth a checkpoint once an hour, as evidence of time. */
export const HEARTBEAT_MS = 3_600_000;

export interface CheckpointMaker {
  readonly session: Session;
  readonly clock: Clock;
  readonly key: SigningKey;
  readonly installation: string;
  readonly memory: ChainMemory;
}

export type CheckpointOutcome =
  /** `behind`: there is more than one checkpoint takes. */
  | { readonly kind: 'written'; readonly number: number; readonly behind: boolean }
  | { readonly kind: 'not_due'; readonly dueInMs: number }
  | { readonly kind: 'nothing_new' }
  /** Another process has made this one. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'refused'; readonly reason: string };

export interface CheckpointTurn {
  /** None is made while the last one is younger. */
  readonly dueAgeMs: number;
  /** Then no further page is read, and what was read is signed. */
  readonly isLate?: () => boolean;
  /** Between pages, with how long the last one took. */
  readonly rest?: (workedMs: number) => Promise<void>;
  /** Once it is aborted, nothing more is asked of the session. */
  readonly signal?: AbortSignal;
}

export async function takeCheckpoint(
  maker: CheckpointMaker,
  turn: CheckpointTurn,
): Promise<CheckpointOutcome> {
  const { dueAgeMs } = turn;
  turn.signal?.throwIfAborted();
  const row = await findLastCheckpoint(maker.session);
  const last = row === undefined ? undefined : openLast(row, maker);
  if (typeof last === 'string') return refused(last);
  turn.signal?.throwIfAborted();
  const beside = await maker.memory.follow(maker.session, last);
  if (beside !== undefined) return refused(beside);
  if (last !== undefined && last.ageMs < dueAgeMs) return { kind: 'not_due', dueInMs: dueAgeMs - last.ageMs };
  turn.signal?.throwIfAborted();
  const logs = await readLogsNow(maker.session, last?.number ?? 0);
  const lost = lostOf(logs, last);
  if (lost !== undefined) return refused(lost);
  const stretches = new Stretches(logs);
  await stretches.read(maker.session, turn);
  const broken = stretches.broken();
  if (broken !== undefined) return refused(broken);
  turn.signal?.throwIfAborted();
  return sign(maker, last, stretches);
}

function refused(reason: string): CheckpointOutcome {
  return { kind: 'refused', reason };
}

/** What the last checkpoint had signed, and is gone, or is said to have been something else. */
function lostOf(logs: readonly LogNow[], checkpoint: LastCheckpoint | undefined): string | undefined {
  if (checkpoint !== undefined && logs.length < checkpoint.logs)
    return `there are heads of ${logs.length} partitions, and the last checkpoint had ${checkpoint.logs}`;
  const forged =
    checkpoint &&
    standingsFault(
      checkpoint,
      logs.flatMap(({ last }) => last ?? []),
    );
  if (forged !== undefined) return forged;
  const shorter = logs.find(({ head, last }) => last !== undefined && head < last.position);
  if (shorter === undefined) return undefined;
  const { topic, partition, head, last } = shorter;
  return `${topic}/${partition} ends at ${head}, and the last checkpoint signed ${last?.position}`;
}

async function sign(
  maker: CheckpointMaker,
  last: LastCheckpoint | undefined,
  stretches: Stretches,
): Promise<CheckpointOutcome> {
  const { logs, moved } = stretches.standings();
  if (last !== undefined && moved.length === 0 && last.ageMs < HEARTBEAT_MS) return { kind: 'nothing_new' };
  const number = (last?.number ?? 0) + 1;
  const body = renderCheckpoint({
    number,
    previous: last === undefined ? null : checkpointHash(last.body),
    at: notBefore(last, maker.clock.now()),
    installation: maker.installation,
    kid: maker.key.kid,
    logs,
  });
  const signature = maker.key.sign(Buffer.from(body));
  try {
    await insertCheckpoint(maker.session, {
      number,
      body,
      signature,
      moved,
      key: maker.key,
      vouchers: vouchersOf(maker.key, maker.installation),
    });
  } catch (error) {
    if (error instanceof DatabaseFault && error.uniqueViolation) return { kind: 'lost' };
    throw error;
  }
  maker.memory.note({ number, body });
  return { kind: 'written', number, behind: stretches.behind };
}

/** Another process' clock may be ahead; instants do not go back along the chain. */
function notBefore(last: LastCheckpoint | undefined, now: EpochMs): EpochMs {
  return Math.max(now, last?.at ?? now);
}

/** The batches since the last checkpoint, partition by partition, as far as they were read. */
class Stretches {
  readonly #all: readonly Stretch[];

  constructor(logs: readonly LogNow[]) {
    this.#all = inLogOrder(logs).map((log) => new Stretch(log));
  }

  /** A statement for each topic and page, each partition from where it is. */
  async read(session: Session, turn: CheckpointTurn): Promise<void> {
    for (let page = 0; page < STRETCH_PAGES_MAX; page++) {
      const open = Map.groupBy(
        this.#all.filter((stretch) => stretch.isOpen),
        ({ log }) => log.topic,
      );
      for (const [topic, stretches] of open) {
        turn.signal?.throwIfAborted();
        if (turn.isLate?.() === true) return;
        const startedAt = performance.now();
        // oxlint-disable-next-line no-await-in-loop -- a page at a time is what bounds memory
        await readPage(session, topic, stretches);
        // oxlint-disable-next-line no-await-in-loop -- whoever pays has the database meanwhile
        await turn.rest?.(performance.now() - startedAt);
      }
    }
  }

  get behind(): boolean {
    return this.#all.some((stretch) => stretch.isOpen);
  }

  /** What is wrong with the first one that cannot be signed. */
  broken(): string | undefined {
    return this.#all.map((stretch) => stretch.broken()).find((reason) => reason !== undefined);
  }

  standings(): { logs: LogStanding[]; moved: LogStanding[] } {
    const logs = this.#all.map((stretch) => stretch.standing());
    const moved = logs.filter((standing, index) => standing !== this.#all[index]?.log.last);
    return { logs, moved };
  }
}

async function readPage(session: Session, topic: string, stretches: readonly Stretch[]): Promise<void> {
  const starts = stretches.map((stretch) => stretch.start());
  const pages = await readPages(session, topic, { starts, pageBatches: PAGE_BATCHES });
  const byPartition = new Map(pages.map((page) => [page.partition, page]));
  for (const stretch of stretches) {
    stretch.add(byPartition.get(stretch.log.partition));
    // oxlint-disable-next-line no-await-in-loop -- a page takes a millisecond to hash: requests go between
    await setImmediate();
  }
}

class Stretch {
  readonly log: LogNow;
  readonly #from: number;
  #position: number;
  #chain: Buffer;
  #sound = true;
  #ended: boolean;
  #batches = 0;
  readonly #pageRoots: Buffer[] = [];

  constructor(log: LogNow) {
    this.log = log;
    this.#from = log.last?.position ?? 0;
    this.#position = this.#from;
    this.#chain = log.last?.chain ?? log.genesis;
    this.#ended = log.head === this.#from;
  }

  get isOpen(): boolean {
    return !this.#ended;
  }

  start(): { partition: number; after: number; chain: Buffer; head: number } {
    const { partition, head } = this.log;
    return { partition, after: this.#position, chain: this.#chain, head };
  }

  add(page: BatchPage | undefined): void {
    if (page === undefined || page.batches === 0) {
      this.#ended = true;
      return;
    }
    this.#batches += page.batches;
    this.#pageRoots.push(merkleRoot(splitDigests(page.leaves)));
    this.#position = page.upTo;
    this.#chain = page.chain;
    this.#sound &&= page.sound;
    this.#ended = !this.#sound || page.batches < PAGE_BATCHES || this.#position >= this.log.head;
  }

  broken(): string | undefined {
    const name = `${this.log.topic}/${this.log.partition}`;
    const { head, headChain } = this.log;
    if (!this.#sound)
      return `the batches of ${name} after ${this.#from} do not follow from each other, or from the last checkpoint`;
    if (!this.#ended) return undefined;
    if (this.#position !== head)
      return `the batches of ${name} go up to ${this.#position}, its head is at ${head}`;
    return this.#chain.equals(headChain)
      ? undefined
      : `the head of ${name} has another chain value than its last batch, or than the last checkpoint`;
  }

  /** The last one itself if nothing is new. */
  standing(): LogStanding {
    const { topic, partition, last } = this.log;
    const verified = Math.min(this.log.verified, this.#position);
    if (last !== undefined && this.#batches === 0 && verified === last.verified) return last;
    return {
      topic,
      partition,
      from: this.#from,
      position: this.#position,
      chain: this.#chain,
      verified,
      batches: this.#batches,
      root: merkleRoot(this.#pageRoots),
    };
  }
}
