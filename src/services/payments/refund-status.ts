/** What the saga's events say of refunds, and of how much of their payments is given back. Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { isId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { REFUND_SAGAS } from '#sagas/definitions.ts';
import { coordinatorsPosition } from './payment-status.ts';
import { paymentKey, type RefundStatus, type RefundTotals, shareOf } from './refund.ts';

/** A refund as its row stands. */
export interface RefundStanding {
  readonly tenant: string;
  readonly uuid: string;
  readonly paymentUuid: string;
  readonly amountMinor: bigint;
  readonly status: RefundStatus;
  /** Of the event that gave it, in the coordinator's log; 0 if that did not. */
  readonly statusPosition: number;
}

/** What a refund's row becomes. */
export interface RefundChange {
  readonly tenant: string;
  readonly uuid: string;
  readonly status: RefundStatus;
  readonly failure: { readonly code: string; readonly detail: string } | null;
  readonly at: EpochMs;
  readonly position: number;
}

const STATUS_AFTER: ReadonlyMap<string, RefundStatus> = new Map(
  Object.values(REFUND_SAGAS).flatMap(({ endings, standings }) =>
    Object.entries({ ...standings, ...endings }).map(([type, status]): [string, RefundStatus] => [
      type,
      status as RefundStatus,
    ]),
  ),
);

/** What a person wanted undone stands: it could not be, or not any more. */
const UNDO_GIVEN_UP: ReadonlyMap<string, number> = new Map([
  ['payment.resolution_refused', 2],
  ['payment.upheld', 1],
]);

/** The events that change refunds or totals, each with the newest version that is read. */
export const REFUND_STATUS_EVENTS: ReadonlyMap<string, number> = new Map([
  ...[...STATUS_AFTER.keys()].map((type): [string, number] => [type, 1]),
  ...UNDO_GIVEN_UP,
]);

export function isOfRefund({ type, subject }: LogEvent): boolean {
  return STATUS_AFTER.has(type) && isId('ref', subject);
}

/** The payment whose totals the event may change; undefined if it changes none. */
export function refundedPayment(event: LogEvent): { tenant: string; uuid: string } | undefined {
  const { tenant, subject, type } = event;
  if (isOfRefund(event))
    return { tenant, uuid: uuidOf((event.data as { payment_id: PaymentId }).payment_id) };
  return UNDO_GIVEN_UP.has(type) ? { tenant, uuid: uuidOf(subject as PaymentId) } : undefined;
}

/** What the event makes of a refund's row; undefined if it does not change it. */
function changeBy(event: LogEvent): RefundChange | undefined {
  const status = STATUS_AFTER.get(event.type);
  if (status === undefined) return undefined;
  const { code, detail } = event.data as { code?: string; detail?: string };
  return {
    tenant: event.tenant,
    uuid: uuidOf(event.subject as RefundId),
    status,
    failure: code === undefined ? null : { code, detail: detail ?? '' },
    at: event.occurredAt,
    position: coordinatorsPosition(event),
  };
}

/** What the events of one refund, in their order, make of its row; undefined if none of them changes it. */
export function refundChangeOf(events: readonly LogEvent[]): RefundChange | undefined {
  const last = events.findLast(({ type }) => STATUS_AFTER.has(type));
  return last === undefined ? undefined : changeBy(last);
}

/** The refunds and totals of a batch of events, and what becomes of them. */
export class RefundBook {
  readonly #refunds: Map<string, RefundStanding>;
  readonly #totals: Map<string, RefundTotals>;
  readonly #changes = new Map<string, RefundChange>();
  readonly #changedTotals = new Map<string, RefundTotals>();

  /** By `paymentKey`: refunds by their own uuid, totals, which are locked, by the payment's. */
  constructor(loaded: { refunds: Map<string, RefundStanding>; totals: Map<string, RefundTotals> }) {
    this.#refunds = loaded.refunds;
    this.#totals = loaded.totals;
  }

  /** An event that was taken before, or is about nothing we know, changes nothing (U3). */
  take(event: LogEvent): void {
    if (UNDO_GIVEN_UP.has(event.type)) this.#standBy(event);
    else if (isOfRefund(event)) this.#follow(event);
  }

  changes(): { refunds: readonly RefundChange[]; totals: readonly RefundTotals[] } {
    return { refunds: [...this.#changes.values()], totals: [...this.#changedTotals.values()] };
  }

  #follow(event: LogEvent): void {
    const change = changeBy(event);
    if (change === undefined) return;
    const key = paymentKey(change);
    const refund = this.#refunds.get(key);
    if (refund === undefined || !isNewer(change, refund)) return;
    this.#refunds.set(key, { ...refund, status: change.status, statusPosition: change.position });
    this.#changes.set(key, change);
    this.#account(refund, change.status);
  }

  #account({ tenant, paymentUuid, amountMinor, status }: RefundStanding, next: RefundStatus): void {
    const totals = this.#totals.get(paymentKey({ tenant, uuid: paymentUuid }));
    if (totals === undefined) return;
    const before = shareOf(status, amountMinor);
    const after = shareOf(next, amountMinor);
    if (before.promised === after.promised && before.refunded === after.refunded) return;
    this.#change({
      ...totals,
      promisedMinor: totals.promisedMinor + after.promised - before.promised,
      refundedMinor: totals.refundedMinor + after.refunded - before.refunded,
    });
  }

  /** Told by time, as the request's place in its log is not known where it was decided: a later request is not meant. */
  #standBy(event: LogEvent): void {
    const uuid = uuidOf(event.subject as PaymentId);
    const totals = this.#totals.get(paymentKey({ tenant: event.tenant, uuid }));
    if (totals === undefined || totals.undoRequestedAt === null) return;
    if (totals.undoRequestedAt <= event.occurredAt) this.#change({ ...totals, undoRequestedAt: null });
  }

  #change(totals: RefundTotals): void {
    const key = paymentKey({ tenant: totals.tenant, uuid: totals.paymentUuid });
    this.#totals.set(key, totals);
    this.#changedTotals.set(key, totals);
  }
}

function isNewer({ position }: RefundChange, { status, statusPosition }: RefundStanding): boolean {
  return position === 0 ? status === 'pending' : position > statusPosition;
}
