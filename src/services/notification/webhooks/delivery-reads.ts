/** What the owner of an endpoint sees of its deliveries. No locks. */
import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import {
  conditionsOver,
  LOOKED_THROUGH_MAX,
  lookThrough,
  type Search,
} from '#platform/postgres/look-through.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Endpoint } from './endpoint.ts';
import { messageIdOf } from './request.ts';

export interface DeliveryFilter {
  readonly status?: string | undefined;
  readonly subject?: string | undefined;
}

export interface DeliveryRow {
  id: string;
  event: string;
  type: string;
  subject: string;
  sequence: number;
  status: string;
  due_at: EpochMs | null;
  repeats: string | null;
  correlation_id: string;
  created_at: EpochMs;
  finished_at: EpochMs | null;
}

interface AttemptRow {
  delivery: string;
  number: number;
  started_at: EpochMs;
  finished_at: EpochMs | null;
  outcome: string | null;
  status: number | null;
  latency_ms: number | null;
  detail: string | null;
  answer: string | null;
}

const COLUMNS = `d.id, d.event, d.type, l.subject, d.sequence, d.status, l.due_at, d.repeats, m.correlation_id, d.created_at, d.finished_at`;

/** To each its lane and its message, by primary key. */
const JOINED = `
  cross join lateral (select * from notification.lanes l where l.lane_key = d.lane_key offset 0) l
  cross join lateral (select * from notification.messages m where m.event = d.event offset 0) m`;

/** By primary key. */
const FIND = `
  select ${COLUMNS} from notification.deliveries d ${JOINED} where d.endpoint_key = $1 and d.id = $2`;

/** By primary key. */
const ATTEMPTS = `
  select a.delivery, a.number, a.started_at, a.finished_at, a.outcome, a.status, a.latency_ms, a.detail, a.answer
  from notification.delivery_attempts a where a.delivery = any($1::uuid[]) order by a.delivery, a.number`;

export interface DeliveryRows {
  readonly deliveries: readonly DeliveryRow[];
  /** The uuid of the one before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

export class DeliveryReads {
  readonly #reader: Reader;
  readonly #lookedThroughMax: number;

  constructor(reader: Reader, lookedThroughMax = LOOKED_THROUGH_MAX) {
    this.#reader = reader;
    this.#lookedThroughMax = lookedThroughMax;
  }

  /** Newest first, before the id. By the index on the endpoint, or of a subject by that on its lane. */
  async list(
    endpoint: Pick<Endpoint, 'key'>,
    filter: DeliveryFilter,
    { before, limit }: { readonly before: string | undefined; readonly limit: number },
  ): Promise<DeliveryRows> {
    const search = searchFor(endpoint, filter, before);
    const bounds = { limit, lookedThroughMax: this.#lookedThroughMax };
    const { found, last } = await lookThrough<DeliveryRow>(this.#reader, search, bounds);
    return { deliveries: found, next: last?.id };
  }

  async find(endpoint: Endpoint, uuid: string): Promise<DeliveryRow | undefined> {
    const rows = await this.#reader.query<DeliveryRow>(FIND, [endpoint.key, uuid]);
    return rows[0];
  }

  async render(endpoint: Endpoint, deliveries: readonly DeliveryRow[]): Promise<JsonObject[]> {
    const rows = await this.#reader.query<AttemptRow>(ATTEMPTS, [deliveries.map(({ id }) => id)]);
    const attempts = Map.groupBy(rows, ({ delivery }) => delivery);
    return deliveries.map((row) => renderDelivery(endpoint, row, attempts.get(row.id) ?? []));
  }
}

/** What an endpoint was told of one subject stands in one lane. */
const OF_SUBJECT = `d.lane_key = (select l.lane_key from notification.lanes l where l.endpoint_key = ? and l.subject = ?)`;

function searchFor(
  { key }: Pick<Endpoint, 'key'>,
  { status, subject }: DeliveryFilter,
  before: string | undefined,
): Search {
  const values: unknown[] = [];
  const where = conditionsOver(values);
  const place = subject === undefined ? where('d.endpoint_key = ?', key) : where(OF_SUBJECT, key, subject);
  return {
    columns: COLUMNS,
    from: 'notification.deliveries d',
    alias: 'd',
    keys: [...place, ...where('d.id < ?', before)],
    matches: where('d.status = ?', status),
    walked: ['d.id'],
    joined: JOINED,
    values,
  };
}

function renderDelivery(endpoint: Endpoint, row: DeliveryRow, attempts: readonly AttemptRow[]): JsonObject {
  return {
    id: idOf('dlv', row.id),
    endpoint_id: idOf('whe', endpoint.uuid),
    message_id: messageIdOf(row),
    event: row.event,
    type: row.type,
    subject: row.subject,
    sequence: row.sequence,
    status: row.status,
    next_attempt_at: row.status === 'pending' ? toRfc3339OrNull(row.due_at) : null,
    repeats: row.repeats === null ? null : idOf('dlv', row.repeats),
    correlation_id: row.correlation_id,
    created_at: toRfc3339(row.created_at),
    finished_at: toRfc3339OrNull(row.finished_at),
    attempts: attempts.map(renderAttempt),
  };
}

function renderAttempt({ delivery: _delivery, ...attempt }: AttemptRow): JsonObject {
  return {
    ...attempt,
    started_at: toRfc3339(attempt.started_at),
    finished_at: toRfc3339OrNull(attempt.finished_at),
  };
}
