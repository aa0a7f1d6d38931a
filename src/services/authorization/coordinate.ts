/**
 * The coordinator: what happens next to a payment or a refund, by a table of steps, and what is undone when a stage fails,
 * read from the saga's definition (DESIGN §4). Pure: sagas and books in, events out.
 */
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { PAYMENT_STEPS } from './payment-steps.ts';
import { REFUND_STEPS } from './refund-steps.ts';
import { isRefund, type Turn } from './turn.ts';

/** The event that answers `event`, or nothing when it was answered before (U3). Changes sagas and books. */
export function coordinate(event: LogEvent, turn: Turn): EventDraft | undefined {
  const steps = isRefund(event) ? REFUND_STEPS : PAYMENT_STEPS;
  return steps.get(event.type)?.(event, turn);
}
