/** What callers read of dead letters. No locks; every query by tenant. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import type { JsonObject, LogEvent } from '../log/event.ts';
import { decodeEvent, type EventRow } from '../log/event-log.ts';
import type { Reader } from '../postgres/read-pool.ts';
import {
  type DeadLetter,
  type DeadLetterState,
  type FailureGroup,
  ORDERED_COLUMNS,
  STATES,
} from './dead-letter.ts';
import type { ReplayProgress, SetAction } from './replay.ts';
import { toldDetail } from './told-failure.ts';

/** Of what waits behind a dead letter, named in its detail; the count tells of the rest. */
const NAMED_BEHIND_MAX = 20;
/** Of the audit, newest first: more than anybody does to one dead letter. */
const ACTIONS_MAX = 200;
/** Dead letters that a grouping reads, the newest ones: some 100 ms. */
const GROUPED_MAX = 100_000;
/** More kinds of failure than anybody reads. */
const GROUPS_MAX = 200;

const LETTERS = `select ${ORDERED_COLUMNS}
                 from log.dead_letters d
                 left join log.pending_redeliveries p on p.dead_letter = d.id
                 left join log.redeliveries r on r.id = p.id`;

export interface DeadLetterFilter {
  readonly group?: string;
  readonly type?: string;
  readonly subject?: string;
  readonly topic?: string;
  readonly target?: string;
  readonly error_code?: string;
  readonly state?: DeadLetterState;
  readonly failedFrom?: EpochMs;
  readonly failedTo?: EpochMs;
}

export interface ParkedBehind {
  readonly count: number;
  /** Identities, in order. */
  readonly first: readonly string[];
}

interface ActionRow {
  readonly at: EpochMs;
  readonly action: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly data_before: string | null;
  readonly data_after: string | null;
  readonly detail: string | null;
}

export class DeadLetterReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Up to `limit`, before `before` (a uuid; ids rise with time), newest first. By the index on tenants, or on what is open. */
  list(
    tenant: string,
    filter: DeadLetterFilter,
    page: { readonly before: string | undefined; readonly limit: number },
  ): Promise<DeadLetter[]> {
    return this.#reader.query<DeadLetter>(
      `${LETTERS} where ${matching(filter)} and ($10::uuid is null or d.id < $10) order by d.id desc limit $11`,
      [...valuesOf(tenant, filter), page.before ?? null, page.limit],
    );
  }

  /** The largest first, over the newest that match; whether those are all. By the same indexes. */
  async groups(
    tenant: string,
    filter: DeadLetterFilter,
  ): Promise<{ readonly groups: readonly FailureGroup[]; readonly isComplete: boolean }> {
    const rows = await this.#reader.query<FailureGroup & { readonly total: number }>(
      `select consumer_group, target, error_code, error_status, count(*)::integer as count, min(failed_first_at) as first_at,
              max(failed_last_at) as last_at, max(id::text) as example, (sum(count(*)) over ())::integer as total
       from (select d.* from log.dead_letters d where ${matching(filter)} order by d.id desc limit ${GROUPED_MAX}) d
       group by consumer_group, target, error_code, error_status
       order by count desc, last_at desc limit ${GROUPS_MAX}`,
      valuesOf(tenant, filter),
    );
    return { groups: rows, isComplete: (rows[0]?.total ?? 0) < GROUPED_MAX && rows.length < GROUPS_MAX };
  }

  /** By primary key. */
  async find(tenant: string, uuid: string): Promise<DeadLetter | undefined> {
    const [letter] = await this.#reader.query<DeadLetter>(`${LETTERS} where d.id = $1 and d.tenant = $2`, [
      uuid,
      tenant,
    ]);
    return letter;
  }

  /** The event as its log has it; undefined if that lacks it, or nobody can read it any more. By primary key. */
  async original({ topic, partition, position }: DeadLetter): Promise<LogEvent | undefined> {
    const [row] = await this.#reader.query<EventRow>(
      `select * from "${topic}".events where partition = $1 and position = $2`,
      [partition, position],
    );
    try {
      return row && decodeEvent(topic, row);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** What waits for the key of an open one. By primary key. */
  async behind(letter: DeadLetter): Promise<ParkedBehind> {
    if (letter.state !== 'open') return { count: 0, first: [] };
    const key = [letter.consumer_group, letter.partition, letter.parking_key];
    const [row] = await this.#reader.query<{ count: number; first: string[] }>(
      `select (select count(*)::integer from log.parked_events
               where consumer_group = $1 and partition = $2 and parking_key = $3) as count,
              array(select topic || '/' || partition || '/' || position from log.parked_events
                    where consumer_group = $1 and partition = $2 and parking_key = $3
                    order by seq limit ${NAMED_BEHIND_MAX}) as first`,
      key,
    );
    return row ?? { count: 0, first: [] };
  }

  /** The audit, oldest first. By primary key. */
  async actions({ id, work }: DeadLetter): Promise<JsonObject[]> {
    const rows = await this.#reader.query<ActionRow>(
      `select * from log.dead_letter_actions where dead_letter = $1 order by seq desc limit ${ACTIONS_MAX}`,
      [id],
    );
    return rows.toReversed().map((row) => renderAction(row, { isOfEvent: work === null }));
  }

  /** By primary key, and the index of a set's orders. */
  async findReplay(tenant: string, uuid: string, action: SetAction): Promise<ReplayProgress | undefined> {
    const [row] = await this.#reader.query<ReplayRow>(
      `select s.id, s.total, s.requested_by, s.requested_at,
              count(*) filter (where r.outcome = 'done')::integer as done,
              count(*) filter (where r.outcome <> 'done')::integer as failed
       from log.dead_letter_replays s left join log.redeliveries r on r.replay = s.id
       where s.id = $1 and s.tenant = $2 and s.action = $3 group by s.id`,
      [uuid, tenant, action],
    );
    if (row === undefined) return undefined;
    const { requested_by: requestedBy, requested_at: requestedAt, ...counts } = row;
    return { ...counts, action, requestedBy, requestedAt };
  }
}

/** The state is written out: only so is the index on what is open one that can serve. */
function matching({ state }: DeadLetterFilter): string {
  const isState = state === undefined ? '' : `and d.state = '${STATES[STATES.indexOf(state)]}'`;
  return `d.tenant = $1 ${isState}
    and ($2::text is null or d.consumer_group = $2) and ($3::text is null or d.type = $3)
    and ($4::text is null or d.subject = $4) and ($5::text is null or d.topic = $5)
    and ($6::text is null or d.error_code = $6) and ($7::text is null or d.target = $7)
    and ($8::timestamptz is null or d.failed_last_at >= $8) and ($9::timestamptz is null or d.failed_last_at < $9)`;
}

function valuesOf(tenant: string, filter: DeadLetterFilter): unknown[] {
  const { group, type, subject, topic, error_code, target, failedFrom, failedTo } = filter;
  const [from, to] = [failedFrom, failedTo].map((at) => (at === undefined ? null : new Date(at)));
  return [tenant, group, type, subject, topic, error_code, target, from, to].map((value) => value ?? null);
}

interface ReplayRow {
  readonly id: string;
  readonly total: number;
  readonly requested_by: string;
  readonly requested_at: EpochMs;
  readonly done: number;
  readonly failed: number;
}

function renderAction(row: ActionRow, { isOfEvent }: { isOfEvent: boolean }): JsonObject {
  return {
    at: toRfc3339(row.at),
    action: row.action,
    actor: row.actor,
    reason: row.reason,
    data_before: row.data_before === null ? null : (JSON.parse(row.data_before) as JsonObject),
    data_after: row.data_after === null ? null : (JSON.parse(row.data_after) as JsonObject),
    // What was given up has failed outside, or by a refusal of its service: its words may be read.
    detail: isOfEvent ? toldDetail(row) : row.detail,
  };
}
