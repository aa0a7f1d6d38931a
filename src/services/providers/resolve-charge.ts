/** A person says what became of a charge; what the provider has said meanwhile may be otherwise. Pure. */
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { ChargeResolved } from '#services/authorization/contract.ts';
import { type Attempt, findCharge, isOpen } from './attempt.ts';
import type { Attempts } from './attempts.ts';
import type { DecisionContext } from './decision-context.ts';

type Outcome = ChargeResolved['outcome'];

export interface ResolutionContext extends Pick<DecisionContext, 'now' | 'routing'> {
  /** The event was answered before: its answer may have left no attempt changed. */
  readonly isAnswered: boolean;
}

/** Settles what is open, so that nobody is asked for the outcome any more, and tells what holds from now on. */
export function resolve(
  attempts: Attempts,
  event: LogEvent<ChargeResolved>,
  context: ResolutionContext,
): void {
  if (context.isAnswered) return;
  const known = attempts.of(event.subject);
  const outcome = truthOf(known, event.data);
  const cause = eventIdentity(event);
  for (const attempt of known.filter(({ purpose }) => purpose !== 'unexpected'))
    settleBy(attempts, attempt, { outcome, cause, context });
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
 * What a provider has said weighs more, unless the person answers to it: a charge that is not there after all, regarding
 * the completion that followed from it, a charge that could not be given back and was given back by hand.
 */
function truthOf(known: readonly Attempt[], { outcome: said, regarding }: ChargeResolved): Outcome {
  const givingBack = known.filter(({ purpose }) => purpose === 'compensation');
  if (givingBack.length > 0)
    return givingBack.some(({ state }) => state === 'refunded') ? 'not_charged' : said;
  const isApproved = known.some(({ purpose, state }) => purpose === 'payment' && state === 'approved');
  return isApproved && regarding === 'charge' ? 'charged' : said;
}

function settleBy(
  attempts: Attempts,
  attempt: Attempt,
  resolution: { readonly outcome: Outcome; readonly cause: string; readonly context: ResolutionContext },
): void {
  const { outcome, cause, context } = resolution;
  const { now, routing } = context;
  // What may still come to be is blocked at the provider, if it can.
  const canVoid = routing.termsOf(attempt.provider)?.canVoid === true;
  // The person's word holds. That the provider's is another one is told.
  const madeSureOf = { tries: 0, dueAt: now };
  const notCharged = { state: 'resolved_not_charged', tries: 0, dueAt: canVoid ? now : null } as const;
  if (isOpen(attempt) && attempt.kind === 'refund') {
    attempts.change(attempt, { state: 'resolved', cause, dueAt: null });
  } else if (isOpen(attempt) && outcome === 'charged') {
    attempts.change(attempt, { state: 'resolved_charged', cause, ...madeSureOf });
  } else if (isOpen(attempt)) {
    attempts.change(attempt, { ...notCharged, cause });
  } else if (attempt.state === 'approved' && outcome === 'not_charged') {
    attempts.change(attempt, { state: 'reversed', cause, ...madeSureOf });
  } else if (attempt.state === 'resolved_charged' && outcome === 'not_charged') {
    attempts.change(attempt, { ...notCharged, cause });
  } else if (attempt.state === 'reversed' && outcome === 'charged') {
    attempts.change(attempt, { state: 'approved', cause, dueAt: null });
  } else if (attempt.state === 'resolved_not_charged' && outcome === 'charged') {
    attempts.change(attempt, { state: 'resolved_charged', cause, ...madeSureOf });
  }
}

function detailOf(outcome: Outcome, { outcome: said, reason, actor }: ChargeResolved): string {
  const words = outcome === 'charged' ? 'is charged' : 'is not charged';
  return outcome === said
    ? `The payment ${words}, says ${actor}: ${reason}`
    : `The payment ${words}: the provider had said so before ${actor} said otherwise.`;
}
