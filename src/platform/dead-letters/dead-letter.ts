/** A dead letter as read, and as rendered. */
import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '../log/event.ts';
import { toldFailure } from './told-failure.ts';

export const STATES = ['open', 'replayed', 'skipped', 'discarded'] as const;
export type DeadLetterState = (typeof STATES)[number];
export type OrderAction = 'replay' | 'skip' | 'discard';

/** What is read of a row `d`: never `*`, whose meaning a later migration changes under the statements of live sessions. */
const COLUMNS = `d.id, d.consumer_group, d.partition, d.parking_key, d.topic, d.position, d.tenant, d.subject, d.type, d.version,
  d.error_code, d.error, d.attempts, d.state, d.edited_data, d.target, d.work, d.error_status, d.replayed_as, d.waits_for,
  d.failed_first_at, d.failed_last_at, d.resolved_at`;

/** With the order `r` about it. */
export const ORDERED_COLUMNS = `${COLUMNS}, r.action as order_action, r.requested_by as order_requested_by,
  r.requested_at as order_requested_at`;

/** Where no order about it is pending. */
export const UNORDERED_COLUMNS = `${COLUMNS}, null as order_action, null as order_requested_by,
  null::timestamptz as order_requested_at`;

/** As the row is. */
export interface DeadLetter {
  /** Its uuid. */
  readonly id: string;
  readonly consumer_group: string;
  readonly partition: number;
  readonly parking_key: string;
  readonly topic: string;
  readonly position: bigint;
  readonly tenant: string;
  readonly subject: string;
  readonly type: string;
  readonly version: number;
  readonly error_code: string;
  /** As it was thrown: not for the wire. */
  readonly error: string;
  readonly attempts: number;
  readonly state: DeadLetterState;
  readonly edited_data: string | null;
  /** Of what a service has given up (given-up.ts): whom it was meant for, by which id; null of an event. */
  readonly target: string | null;
  readonly work: string | null;
  /** HTTP. */
  readonly error_status: number | null;
  /** The id of what took its place. */
  readonly replayed_as: string | null;
  /** The destination at whose return it is replayed by itself. */
  readonly waits_for: string | null;
  readonly failed_first_at: EpochMs;
  readonly failed_last_at: EpochMs;
  readonly resolved_at: EpochMs | null;
  /** The order about it that is pending. */
  readonly order_action: OrderAction | null;
  readonly order_requested_by: string | null;
  readonly order_requested_at: EpochMs | null;
}

/** Dead letters that failed alike: of one group, at one target, with one code and status. */
export interface FailureGroup {
  readonly consumer_group: string;
  readonly target: string | null;
  readonly error_code: string;
  readonly error_status: number | null;
  readonly count: number;
  readonly first_at: EpochMs;
  readonly last_at: EpochMs;
  /** The uuid of the newest. */
  readonly example: string;
}

export interface PendingOrderOf {
  readonly action: OrderAction;
  readonly requestedBy: string;
  readonly requestedAt: EpochMs;
}

export function pendingOrderOf(letter: DeadLetter): PendingOrderOf | undefined {
  const { order_action: action, order_requested_by: by, order_requested_at: at } = letter;
  return action === null || by === null || at === null
    ? undefined
    : { action, requestedBy: by, requestedAt: at };
}

export function renderDeadLetter(
  letter: DeadLetter,
  order: PendingOrderOf | undefined = pendingOrderOf(letter),
): JsonObject {
  return {
    id: idOf('dlt', letter.id),
    group: letter.consumer_group,
    state: letter.state,
    event_id: `${letter.topic}/${letter.partition}/${letter.position}`,
    topic: letter.topic,
    type: letter.type,
    version: letter.version,
    subject: letter.subject,
    target: letter.target,
    work_id: letter.work,
    error: {
      code: letter.error_code,
      status: letter.error_status,
      detail: toldFailure({ code: letter.error_code, text: letter.error }),
    },
    attempts: letter.attempts,
    edited: letter.edited_data !== null,
    replayed_as: letter.replayed_as,
    replayed_at_return: letter.waits_for !== null,
    order:
      order === undefined
        ? null
        : {
            action: order.action,
            requested_by: order.requestedBy,
            requested_at: toRfc3339(order.requestedAt),
          },
    failed_first_at: toRfc3339(letter.failed_first_at),
    failed_last_at: toRfc3339(letter.failed_last_at),
    resolved_at: toRfc3339OrNull(letter.resolved_at),
  };
}

export function renderGroup(group: FailureGroup): JsonObject {
  return {
    group: group.consumer_group,
    target: group.target,
    error: { code: group.error_code, status: group.error_status },
    count: group.count,
    first_failed_at: toRfc3339(group.first_at),
    last_failed_at: toRfc3339(group.last_at),
    example: idOf('dlt', group.example),
  };
}
