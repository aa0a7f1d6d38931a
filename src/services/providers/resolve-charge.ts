/** A person says what became of a charge; what the provider has said meanwhile may be otherwise. Pure. */
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { ChargeResolved } from '#services/authorization/contract.ts';
import { type Attempt, findCharge, isOpen } from './attempt.ts';
import type { Attempts } from './attempts.ts';
import type { EventContext } from './begin-attempts.ts';

type Outcome = ChargeResolved['outcome'];

/**
 * Settles what is open, so that nobody is asked any more, and tells what holds from now on. `isCompleted`: the payment
 * was completed before the person spoke, and so knew what the provider had said.
 */
export function resolve(
  attempts: Attempts,
  event: LogEvent<ChargeResolved>,
  { isAnswered, isCompleted }: Pick<EventContext, 'isAnswered'> & { readonly isCompleted: boolean },
): void {
  if (isAnswered(event)) return;
  const known = attempts.of(event.subject);
  const outcome = truthOf(known, event.data.outcome, isCompleted);
  const cause = eventIdentity(event);
  for (const attempt of known.filter(({ purpose }) => purpose !== 'unexpected'))
    settleBy(attempts, attempt, { outcome, cause });
  const provider = findCharge(attempts.of(event.subject))?.provider ?? null;
  attempts.draft(
    follow(event, {
      type: 'provider.resolved',
      data: {
        outcome,
        provider: outcome === 'charged' ? provider : null,
        detail: detailOf(outcome, event.data),
      },
    }),
  );
}

/**
 * What a provider has said weighs more, unless the person answers to it: a charge of a completed payment that is not
 * there after all, a charge that could not be given back and was given back by hand.
 */
function truthOf(known: readonly Attempt[], said: Outcome, isCompleted: boolean): Outcome {
  const givingBack = known.filter(({ purpose }) => purpose === 'compensation');
  if (givingBack.length > 0)
    return givingBack.some(({ state }) => state === 'refunded') ? 'not_charged' : said;
  const isApproved = known.some(({ purpose, state }) => purpose === 'payment' && state === 'approved');
  return isApproved && !isCompleted ? 'charged' : said;
}

function settleBy(
  attempts: Attempts,
  attempt: Attempt,
  { outcome, cause }: { readonly outcome: Outcome; readonly cause: string },
): void {
  if (isOpen(attempt)) {
    const state =
      attempt.kind === 'refund'
        ? 'resolved'
        : outcome === 'charged'
          ? 'resolved_charged'
          : 'resolved_not_charged';
    attempts.change(attempt, { state, cause, dueAt: null });
  } else if (attempt.state === 'approved' && outcome === 'not_charged') {
    attempts.change(attempt, { state: 'reversed', cause });
  } else if (attempt.state === 'resolved_charged' && outcome === 'not_charged') {
    attempts.change(attempt, { state: 'resolved_not_charged', cause });
  }
}

function detailOf(outcome: Outcome, { outcome: said, reason, actor }: ChargeResolved): string {
  const words = outcome === 'charged' ? 'is charged' : 'is not charged';
  return outcome === said
    ? `The payment ${words}, says ${actor}: ${reason}`
    : `The payment ${words}: the provider had said so before ${actor} said otherwise.`;
}
