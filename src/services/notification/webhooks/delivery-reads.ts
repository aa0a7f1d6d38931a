/** What the owner of an endpoint sees of its deliveries. No locks. */
import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
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

/** By the index on the endpoint, backwards; each with its lane and its message by primary key. */
const LIST = `
  select d.id, d.event, d.type, l.subject, d.sequence, d.status, l.due_at, d.repeats, m.correlation_id, d.created_at, d.finished_at
  from notification.deliveries d
  join notification.lanes l on l.lane_key = d.lane_key
  join notification.messages m on m.event = d.event
  where d.endpoint_key = $1 and ($2::uuid is null or d.id < $2) and ($3::uuid is null or d.id = $3)
    and ($4::text is null or d.status = $4) and ($5::text is null or l.subject = $5)
  order by d.id desc limit $6`;

/** By primary key. */
const ATTEMPTS = `
  select a.delivery, a.number, a.started_at, a.finished_at, a.outcome, a.status, a.latency_ms, a.detail, a.answer
  from notification.delivery_attempts a where a.delivery = any($1::uuid[]) order by a.delivery, a.number`;

export class DeliveryReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Newest first, before the id. */
  list(
    endpoint: Endpoint,
    filter: DeliveryFilter,
    { before, limit }: { readonly before: string | undefined; readonly limit: number },
  ): Promise<DeliveryRow[]> {
    const { status = null, subject = null } = filter;
    return this.#reader.query<DeliveryRow>(LIST, [
      endpoint.key,
      before ?? null,
      null,
      status,
      subject,
      limit,
    ]);
  }

  async find(endpoint: Endpoint, uuid: string): Promise<DeliveryRow | undefined> {
    const rows = await this.#reader.query<DeliveryRow>(LIST, [endpoint.key, null, uuid, null, null, 1]);
    return rows[0];
  }

  async render(endpoint: Endpoint, deliveries: readonly DeliveryRow[]): Promise<JsonObject[]> {
    const rows = await this.#reader.query<AttemptRow>(ATTEMPTS, [deliveries.map(({ id }) => id)]);
    const attempts = Map.groupBy(rows, ({ delivery }) => delivery);
    return deliveries.map((row) => renderDelivery(endpoint, row, attempts.get(row.id) ?? []));
  }
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
