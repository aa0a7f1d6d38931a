/**
 * Deliveries of an endpoint sent again, by the time they were queued, their type and their subject, in the background. Which
 * ones is fixed when it is asked for: deliveries up to then, each once, without those that are repeats themselves.
 *
 * Tenants take turns, a page each; of one tenant's the oldest goes first. So nobody waits for the whole of what another asked for.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { Signal } from '#platform/batch/signal.ts';
import { TenantRounds } from '#platform/batch/tenant-rounds.ts';
import {
  lockOpenWork,
  type OpenWork,
  type ResolvedWork,
  resolveWork,
} from '#platform/dead-letters/given-up.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { sendAgain } from './delivery-desk.ts';
import type { Endpoint } from './endpoint.ts';
import { matches, TOLD_EVENTS, WEBHOOK_GROUP } from './event-patterns.ts';
import type { Delivery } from './lane-store.ts';

/** Of one commit: new deliveries of the present wait for no more than that. */
const PAGE = 200;
const LOOK_MS = 1000;

export interface ReplayAsked {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly events: readonly string[] | undefined;
  readonly subject: string | undefined;
  readonly correlationId: string;
}

interface ReplayRow {
  id: string;
  from_at: EpochMs;
  to_at: EpochMs;
  events: string[] | null;
  subject: string | null;
  total: number;
  queued: number;
  created_at: EpochMs;
  finished_at: EpochMs | null;
}

const COLUMNS =
  'r.id, r.from_at, r.to_at, r.events, r.subject, r.total, r.queued, r.created_at, r.finished_at';

/** Those of the set as it is now are counted, by the index on the endpoint; each lane by primary key. */
export const INSERT_REPLAY = statement(
  'notification.insert_replay',
  `insert into notification.replays as r
     (id, endpoint_key, from_at, to_at, events, subject, after, up_to, total, correlation_id, created_at)
   select $6::uuid, $1::bigint, $7::timestamptz, $8::timestamptz, $4::text[], $5::text, $2::uuid, $3::uuid, count(*), $9::text,
     $10::timestamptz
   from notification.deliveries d
   cross join lateral (select l.subject from notification.lanes l where l.lane_key = d.lane_key offset 0) l
   where (d.endpoint_key, d.id) > ($1::bigint, $2::uuid) and (d.endpoint_key, d.id) <= ($1::bigint, $3::uuid)
     and d.repeats is null
     and ($4::text[] is null or d.type = any($4)) and ($5::text is null or l.subject = $5)
   returning ${COLUMNS}`,
);

/**
 * The oldest that runs, at an endpoint that is enabled, of a tenant that is none of these; what another process works on is left to
 * it. By the partial index, in its order.
 */
export const TAKE_REPLAY = statement(
  'notification.take_replay',
  `select r.id, r.endpoint_key, r.events, r.subject, r.after, r.up_to, e.tenant, e.forgotten_sequence
   from notification.replays r
   cross join lateral (
     select * from notification.endpoints e
     where e.endpoint_key = r.endpoint_key and e.status = 'enabled' and e.tenant <> all ($1::text[]) offset 0
   ) e
   where r.finished_at is null and r.created_at > '-infinity'
   order by r.created_at limit 1 for no key update of r skip locked`,
);

/** By the index on the endpoint, in its order, which the comparison of rows leaves no choice of; each lane by primary key. */
export const READ_MEMBERS = statement(
  'notification.read_replay_members',
  `select d.id, d.event, d.type, d.sequence, l.subject
   from notification.deliveries d
   cross join lateral (select l.subject from notification.lanes l where l.lane_key = d.lane_key offset 0) l
   where (d.endpoint_key, d.id) > ($1::bigint, $2::uuid) and (d.endpoint_key, d.id) <= ($1::bigint, $3::uuid)
     and d.repeats is null
     and ($4::text[] is null or d.type = any($4)) and ($5::text is null or l.subject = $5)
   order by d.endpoint_key, d.id limit $6::integer`,
);

/** The row is locked. */
export const MOVE_REPLAY = statement(
  'notification.move_replay',
  `update notification.replays r set after = $2::uuid, queued = r.queued + $3::integer, finished_at = $4::timestamptz
   where r.id = $1::uuid`,
);

interface RunningRow {
  id: string;
  endpoint_key: bigint;
  events: string[] | null;
  subject: string | null;
  after: string;
  up_to: string;
  tenant: string;
  forgotten_sequence: number;
}

interface MemberRow {
  id: string;
  event: string;
  type: string;
  sequence: number;
  subject: string;
}

export interface ReplaysOptions {
  readonly reader: Reader;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onQueued: (endpointKeys: Iterable<bigint>) => void;
  readonly onError: (error: unknown) => void;
}

export class Replays {
  readonly #options: ReplaysOptions;
  readonly #signal = new Signal();
  /** By the page. */
  readonly #rounds = new TenantRounds();
  #failures = 0;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: ReplaysOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= repeatWhile(
      () => !this.#stopping,
      () => this.#step(),
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  /** Once it is committed, `wake` lets it begin. */
  async ask(
    tx: Transaction,
    endpoint: Endpoint,
    { from, to, events, subject, correlationId }: ReplayAsked,
    now: EpochMs,
  ): Promise<JsonObject> {
    const types =
      events === undefined ? null : [...TOLD_EVENTS.keys()].filter((type) => matches(events, type));
    const upTo = firstUuidAt(Math.min(to, now));
    const rows = await tx.query<ReplayRow>(INSERT_REPLAY, [
      endpoint.key,
      firstUuidAt(from),
      upTo,
      types === null ? null : textArray(types),
      subject ?? null,
      uuidOf(newId('whr')),
      new Date(from),
      new Date(to),
      correlationId,
      new Date(now),
    ]);
    return render(endpoint, rows[0] as ReplayRow);
  }

  wake(): void {
    this.#signal.raise();
  }

  /** By the index on the endpoint. */
  async find(endpoint: Endpoint, uuid: string): Promise<JsonObject | undefined> {
    const rows = await this.#options.reader.query<ReplayRow>(
      `select ${COLUMNS} from notification.replays r where r.endpoint_key = $1 and r.id = $2`,
      [endpoint.key, uuid],
    );
    return rows.map((row) => render(endpoint, row))[0];
  }

  async #step(): Promise<void> {
    try {
      const hasMore = await this.#page();
      this.#failures = 0;
      if (!hasMore) await this.#signal.wait(LOOK_MS);
    } catch (error) {
      this.#failures++;
      this.#options.onError(error);
      await this.#signal.wait(backoffMs(this.#failures, this.#options.random));
    }
  }

  /** Whether there was one to work on. */
  async #page(): Promise<boolean> {
    const { session, clock, onQueued } = this.#options;
    const now = clock.now();
    const replay = await session.transaction(async (tx) => {
      const taken = await this.#rounds.next(async (served) => {
        const [found] = await tx.query<RunningRow>(TAKE_REPLAY, [textArray(served)]);
        return found;
      });
      if (taken === undefined) return undefined;
      this.#rounds.serve(taken.tenant); // also if it fails: the others are next
      await queuePage(tx, taken, now);
      return taken;
    });
    if (replay === undefined) return false;
    onQueued([replay.endpoint_key]);
    return true;
  }
}

async function queuePage(tx: Transaction, replay: RunningRow, now: EpochMs): Promise<void> {
  const { id, endpoint_key: endpointKey, events, subject, after, up_to } = replay;
  const { forgotten_sequence: firstAfter } = replay;
  const members = await tx.query<MemberRow>(READ_MEMBERS, [endpointKey, after, up_to, events, subject, PAGE]);
  const works = members.map((member) => ({ tenant: replay.tenant, work: idOf('dlv', member.id) }));
  const letters = await lockOpenWork(tx, works); // R3
  const wanted = members.map(({ id: _id, ...told }) => ({ ...told, endpointKey, firstAfter, repeats: id }));
  const queued = await sendAgain(tx, wanted, now);
  resolveWork(tx, resolvedBy(letters, { members, queued }), now);
  const isLast = members.length < PAGE;
  const count = queued.filter((each) => each !== undefined).length;
  tx.run(MOVE_REPLAY, [id, members.at(-1)?.id ?? after, count, isLast ? new Date(now) : null]);
}

/** What was given up and is sent again waits for nobody any more. */
function resolvedBy(
  letters: readonly OpenWork[],
  {
    members,
    queued,
  }: { readonly members: readonly MemberRow[]; readonly queued: readonly (Delivery | undefined)[] },
): ResolvedWork[] {
  const becomes = new Map(members.map(({ id }, index) => [idOf('dlv', id) as string, queued[index]?.uuid]));
  return letters.flatMap(({ id, work }) => {
    const uuid = becomes.get(work);
    return uuid === undefined ? [] : { id, actor: WEBHOOK_GROUP, replayedAs: idOf('dlv', uuid) };
  });
}

function render(endpoint: Endpoint, row: ReplayRow): JsonObject {
  return {
    id: idOf('whr', row.id),
    endpoint_id: idOf('whe', endpoint.uuid),
    status: row.finished_at === null ? 'running' : 'completed',
    from: toRfc3339(row.from_at),
    to: toRfc3339(row.to_at),
    events: row.events,
    subject: row.subject,
    total: row.total,
    queued: row.queued,
    created_at: toRfc3339(row.created_at),
    finished_at: toRfc3339OrNull(row.finished_at),
  };
}
