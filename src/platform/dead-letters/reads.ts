/** What callers read of dead letters. No locks; every query by tenant. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import type { JsonObject, LogEvent } from '../log/event.ts';
import { decodeEvent, type EventRow } from '../log/event-log.ts';
import type { Reader } from '../postgres/read-pool.ts';
import type { DeadLetter } from './dead-letter.ts';
import type { ReplayProgress } from './replay.ts';
import { toldDetail } from './told-failure.ts';

/** Of what waits behind a dead letter, named in its detail; the count tells of the rest. */
const NAMED_BEHIND_MAX = 20;
/** Of the audit, newest first: more than anybody does to one dead letter. */
const ACTIONS_MAX = 200;

const LETTERS = `select d.*, r.action as order_action, r.requested_by as order_requested_by,
                        r.requested_at as order_requested_at
                 from log.dead_letters d
                 left join log.pending_redeliveries p on p.dead_letter = d.id
                 left join log.redeliveries r on r.id = p.id`;

export interface DeadLetterFilter {
  readonly group?: string;
  readonly type?: string;
  readonly subject?: string;
  readonly topic?: string;
  readonly error_code?: string;
  readonly state?: string;
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

  /** Up to `limit`, before `before` (a uuid; ids rise with time), newest first. By the index on tenants. */
  list(
    tenant: string,
    filter: DeadLetterFilter,
    page: { readonly before: string | undefined; readonly limit: number },
  ): Promise<DeadLetter[]> {
    return this.#reader.query<DeadLetter>(
      `${LETTERS}
       where d.tenant = $1 and ($2::uuid is null or d.id < $2)
         and ($3::text is null or d.consumer_group = $3) and ($4::text is null or d.type = $4)
         and ($5::text is null or d.subject = $5) and ($6::text is null or d.topic = $6)
         and ($7::text is null or d.error_code = $7) and ($8::text is null or d.state = $8)
         and ($9::timestamptz is null or d.failed_last_at >= $9)
         and ($10::timestamptz is null or d.failed_last_at < $10)
       order by d.id desc limit $11`,
      [
        tenant,
        page.before ?? null,
        filter.group ?? null,
        filter.type ?? null,
        filter.subject ?? null,
        filter.topic ?? null,
        filter.error_code ?? null,
        filter.state ?? null,
        filter.failedFrom === undefined ? null : new Date(filter.failedFrom),
        filter.failedTo === undefined ? null : new Date(filter.failedTo),
        page.limit,
      ],
    );
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
  async actions({ id }: DeadLetter): Promise<JsonObject[]> {
    const rows = await this.#reader.query<ActionRow>(
      `select * from log.dead_letter_actions where dead_letter = $1 order by seq desc limit ${ACTIONS_MAX}`,
      [id],
    );
    return rows.toReversed().map(renderAction);
  }

  /** By primary key, and the index of a set's orders. */
  async findReplay(tenant: string, uuid: string): Promise<ReplayProgress | undefined> {
    const [row] = await this.#reader.query<ReplayRow>(
      `select s.id, s.total, s.requested_by, s.requested_at,
              count(*) filter (where r.outcome = 'done')::integer as replayed,
              count(*) filter (where r.outcome <> 'done')::integer as failed
       from log.dead_letter_replays s left join log.redeliveries r on r.replay = s.id
       where s.id = $1 and s.tenant = $2 group by s.id`,
      [uuid, tenant],
    );
    if (row === undefined) return undefined;
    const { requested_by: requestedBy, requested_at: requestedAt, ...counts } = row;
    return { ...counts, requestedBy, requestedAt };
  }
}

interface ReplayRow {
  readonly id: string;
  readonly total: number;
  readonly requested_by: string;
  readonly requested_at: EpochMs;
  readonly replayed: number;
  readonly failed: number;
}

function renderAction(row: ActionRow): JsonObject {
  return {
    at: toRfc3339(row.at),
    action: row.action,
    actor: row.actor,
    reason: row.reason,
    data_before: row.data_before === null ? null : (JSON.parse(row.data_before) as JsonObject),
    data_after: row.data_after === null ? null : (JSON.parse(row.data_after) as JsonObject),
    detail: toldDetail(row),
  };
}
