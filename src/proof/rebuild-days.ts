/**
 * `lastro rebuild days`: follows the logs from their beginning to where the group is, and then puts the accounts right page by
 * page (src/services/consolidation/rebuild.ts), while entries come in.
 *
 * BD1: what the group has not counted, because it is a dead letter or was given up, is not counted here either.
 * BD2: accounts of an event that cannot be counted here are left as they are: somebody may have had it counted with other data.
 * BD3: postings that wait in the rebuild's tables although the ones before them are counted, since a batch looks at some of what
 *      waits alone, are counted before anything is compared.
 */
import { randomUUID } from 'node:crypto';
import { inHalves } from '#platform/batch/in-halves.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { decodeEvent, type EventRow } from '#platform/log/event-log.ts';
import type { Correction, ModelTransaction } from '#platform/log/read-model.ts';
import { asFault, isTransient } from '#platform/postgres/faults.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  type AccountName,
  accountsNamedIn,
  DaysRebuild,
  type DueAccounts,
  FIRST_KEY,
} from '#services/consolidation/contract.ts';
import { schemaOf } from './installation.ts';
import type { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';

/**
 * Events of one partition in one transaction; there are some 32 places, and most of the time few are left. Not few even where
 * all is slow: it has to be faster than what comes in.
 */
const EVENTS_PAGE = { first: 500, least: 500, most: 2_000 };
/** Of one partition, while the group is kept out: what has come since it was looked at. */
const REST_MAX = 2_000;
const ACCOUNTS_PAGE = { first: 200, least: 1, most: 5_000 };
const BEFORE_ALL = -(2n ** 63n);

/** Of the group, by `topic/partition`. */
type Positions = ReadonlyMap<string, number>;

/** What the group passed without counting it, by identity. */
type Uncounted = ReadonlySet<string>;

export async function rebuildDays(lane: Lane, phase: Phase): Promise<Correction> {
  const rebuild = await lane.transaction((tx) => DaysRebuild.begin(tx, randomUUID()));
  const followed = new Followed(lane, rebuild, phase);
  await followed.openAccounts();
  await followed.toPositions();
  const counts = { written: 0, removed: 0 };
  const pageSize = new PageSize(ACCOUNTS_PAGE);
  for (let after = BEFORE_ALL; ; ) {
    const startedAt = performance.now();
    const from = after;
    await followed.toPositions();
    const page = await lane
      .transaction(async (tx) => {
        const rest = await followed.countRest(tx, await lockPositions(tx));
        const upTo = await rebuild.lastKey(tx, from, pageSize.rows);
        if (upTo === undefined) return { rest, upTo, written: 0, removed: await rebuild.removeStrays(tx) };
        return { rest, upTo, ...(await rebuild.correct(tx, { after: from, upTo, leaving: followed.left })) };
      })
      .catch((error: unknown) => {
        if (error instanceof NotAtOnce) return undefined;
        throw error;
      });
    if (page === undefined) continue;
    followed.counted(page.rest);
    counts.written += page.written;
    counts.removed += page.removed;
    if (page.upTo === undefined) return counts;
    after = page.upTo;
    phase.advance(0);
    pageSize.took(performance.now() - startedAt);
  }
}

/** R1: what the group does waits until the end of the transaction. */
function lockPositions(tx: ModelTransaction): Promise<Positions> {
  return readPositions(tx, 'order by topic, partition for no key update');
}

async function readPositions(tx: ModelTransaction, locking = ''): Promise<Positions> {
  const rows = await tx.query<{ place: string; position: bigint }>(
    `select topic || '/' || partition as place, position from log.positions
     where consumer_group = $1 and topic = any ($2::text[]) ${locking}`,
    [DaysRebuild.group, DaysRebuild.topics],
  );
  return new Map(rows.map(({ place, position }) => [place, Number(position)]));
}

/** BD1 */
async function readUncounted(tx: ModelTransaction): Promise<Uncounted> {
  const rows = await tx.query<{ identity: string }>(
    `select topic || '/' || partition || '/' || position as identity from log.parked_keys
     where consumer_group = $1 and dead_letter is not null
     union all
     select topic || '/' || partition || '/' || position from log.abandoned_events where consumer_group = $1`,
    [DaysRebuild.group],
  );
  return new Set(rows.map(({ identity }) => identity));
}

/** What is left is for a transaction of its own. */
class NotAtOnce extends Error {}

interface Target extends Range {
  /** `topic/partition`. */
  readonly place: string;
  readonly topic: string;
}

/** What was counted under the positions. */
interface Rest {
  readonly targets: readonly Target[];
  readonly skipped: readonly LogEvent[];
  /** Identities of events that were skipped before. */
  readonly replayed: readonly string[];
}

class Followed {
  readonly #lane: Lane;
  readonly #rebuild: DaysRebuild;
  readonly #phase: Phase;
  readonly #pageSize = new PageSize(EVENTS_PAGE);
  /** The position read up to, by `topic/partition`. */
  readonly #reached = new Map<string, number>();
  /** Events that were not counted because the group had not, by identity. */
  readonly #skipped = new Map<string, LogEvent>();
  /** BD2 */
  readonly left: AccountName[] = [];

  constructor(lane: Lane, rebuild: DaysRebuild, phase: Phase) {
    this.#lane = lane;
    this.#rebuild = rebuild;
    this.#phase = phase;
  }

  /** All that there is, also what the group has still to read: it tells what an account is, and nothing of what moved. */
  async openAccounts(): Promise<void> {
    const heads = await this.#lane.query<{ partition: number; position: bigint }>(
      `select partition, position from log.heads where topic = 'ledger'`,
      [],
    );
    for (const { partition, position } of heads)
      for (let after = 0; after < position; after += OPENINGS_PAGE) await this.#open(partition, after);
  }

  async #open(partition: number, after: number): Promise<void> {
    const events = await readEvents(this.#lane, {
      topic: 'ledger',
      types: ['account.opened'],
      ranges: [{ partition, after, upTo: after + OPENINGS_PAGE }],
    });
    await this.#lane.transaction((tx) => this.#rebuild.openAccounts(tx, events));
  }

  /** Until so little is left that it can be counted while the group is kept out: it goes on meanwhile. */
  async toPositions(): Promise<void> {
    for (;;) {
      const { positions, uncounted } = await this.#lane.snapshot(async (tx) => ({
        positions: await readPositions(tx),
        uncounted: await readUncounted(tx),
      }));
      await this.#countSkipped(uncounted);
      await this.#follow(positions, uncounted);
      const isFollowed = this.#targets(positions, REST_MAX).length === 0;
      if (isFollowed && !(await this.#countWaiting())) return;
    }
  }

  /**
   * What is left to count, in the transaction of who holds the positions; for `counted`, once that is committed. Throws
   * `NotAtOnce` if that is too much for it, or holds an event that fails: then it is for `toPositions`.
   */
  async countRest(tx: ModelTransaction, positions: Positions): Promise<Rest> {
    const uncounted = await readUncounted(tx);
    const replayed = [...this.#skipped].filter(([identity]) => !uncounted.has(identity));
    const targets = this.#targets(positions, REST_MAX);
    if (targets.some(({ place, upTo }) => upTo < (positions.get(place) ?? 0))) throw new NotAtOnce();
    const read = await this.#read(tx, targets);
    const skipped = read.filter((event) => uncounted.has(eventIdentity(event)));
    const events = [
      ...replayed.map(([, event]) => event),
      ...read.filter((event) => !uncounted.has(eventIdentity(event))),
    ];
    if (events.length > 0)
      await this.#rebuild.count(tx, events).catch((error: unknown) => {
        if (isTransient(asFault(error))) throw error;
        throw new NotAtOnce();
      });
    if (await this.#isAnyDue(tx)) throw new NotAtOnce(); // BD3
    return { targets, skipped, replayed: replayed.map(([identity]) => identity) };
  }

  async #isAnyDue(tx: ModelTransaction): Promise<boolean> {
    for (let after: bigint | undefined = FIRST_KEY; after !== undefined; ) {
      const { due, next }: DueAccounts = await this.#rebuild.findDue(tx, after);
      if (due.some((name) => !this.#isLeft(name))) return true;
      after = next;
    }
    return false;
  }

  #isLeft({ tenant, id }: AccountName): boolean {
    return this.left.some((left) => left.tenant === tenant && left.id === id);
  }

  counted({ targets, skipped, replayed }: Rest): void {
    for (const identity of replayed) this.#skipped.delete(identity);
    for (const event of skipped) this.#skipped.set(eventIdentity(event), event);
    for (const { place, upTo } of targets) this.#reached.set(place, upTo);
    this.#phase.advance(targets.reduce((sum, { after, upTo }) => sum + upTo - after, 0));
  }

  /** Replayed since, and so counted by the group. */
  async #countSkipped(uncounted: Uncounted): Promise<void> {
    const counted = [...this.#skipped].filter(([identity]) => !uncounted.has(identity));
    for (const [identity] of counted) this.#skipped.delete(identity);
    await this.#count(counted.map(([, event]) => event));
  }

  async #follow(positions: Positions, uncounted: Uncounted): Promise<void> {
    const startedAt = performance.now();
    const targets = this.#targets(positions, this.#pageSize.rows);
    const read = await this.#read(this.#lane, targets);
    await this.#count(read.filter((event) => !uncounted.has(eventIdentity(event))));
    this.counted({
      targets,
      skipped: read.filter((event) => uncounted.has(eventIdentity(event))),
      replayed: [],
    });
    this.#pageSize.took(performance.now() - startedAt);
  }

  #targets(positions: Positions, most: number): Target[] {
    return [...positions].flatMap(([place, position]) => {
      const [topic = '', partition = ''] = place.split('/');
      const after = this.#reached.get(place) ?? 0;
      if (after >= position) return [];
      return [{ place, topic, partition: Number(partition), after, upTo: Math.min(position, after + most) }];
    });
  }

  async #read(reader: Reader, targets: readonly Target[]): Promise<LogEvent[]> {
    const byTopic = [...Map.groupBy(targets, ({ topic }) => topic)];
    const read = await Promise.all(
      byTopic.map(([topic, ranges]) => readEvents(reader, { topic, types: DaysRebuild.types, ranges })),
    );
    return read.flat();
  }

  /** BD3: one look at all of them; whether anything was counted. */
  async #countWaiting(): Promise<boolean> {
    let isAnyCounted = false;
    for (let after: bigint | undefined = FIRST_KEY; after !== undefined; ) {
      const from: bigint = after;
      const { due, next } = await this.#lane.transaction((tx) => this.#rebuild.findDue(tx, from));
      const names = due.filter((name) => !this.#isLeft(name));
      await this.#countWaitingOf(names);
      isAnyCounted ||= names.length > 0;
      after = next;
    }
    return isAnyCounted;
  }

  async #countWaitingOf(names: readonly AccountName[]): Promise<void> {
    await inHalves(names, {
      work: (some) => this.#lane.transaction((tx) => this.#rebuild.countWaiting(tx, some, Date.now())),
      onFailed: (name) => void this.left.push(name), // BD2
    });
  }

  async #count(events: readonly LogEvent[]): Promise<void> {
    await inHalves(events, {
      work: (some) => this.#lane.transaction((tx) => this.#rebuild.count(tx, some)),
      onFailed: (event) => void this.left.push(...accountsNamedIn(event)), // BD2
    });
  }
}

/** Positions looked through for account.opened at a time: few events are one. */
const OPENINGS_PAGE = 20_000;

interface Range {
  readonly partition: number;
  readonly after: number;
  readonly upTo: number;
}

/** By primary key, a range per partition. */
async function readEvents(
  reader: Reader,
  {
    topic,
    types,
    ranges,
  }: { readonly topic: string; readonly types: readonly string[]; readonly ranges: readonly Range[] },
): Promise<LogEvent[]> {
  const rows = await reader.query<EventRow>(
    `select e.* from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as range(partition, after, up_to)
     cross join lateral (
       select e.partition, e.position, e.type, e.version, e.subject, e.tenant, e.key, e.data, e.occurred_at, e.correlation_id,
              e.causation, e.traceparent
       from ${schemaOf(topic)}.events e
       where e.partition = range.partition and e.position > range.after and e.position <= range.up_to and e.type = any ($4)
       order by e.position
     ) e`,
    [
      ranges.map(({ partition }) => partition),
      ranges.map(({ after }) => after),
      ranges.map(({ upTo }) => upTo),
      types,
    ],
  );
  return rows.map((row) => decodeEvent(topic, row));
}
