/** How an attempt to charge ends, stays in doubt, or makes room for the next (decide-charge.ts has the rules D1 … D5). Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { type Attempt, nextNumber } from './attempt.ts';
import { type Attempts, attemptData } from './attempts.ts';
import type { Case, DecisionContext } from './decision-context.ts';
import { nextCharge, unexpectedRefund } from './new-attempt.ts';
import { type Choice, choose } from './routing.ts';
import {
  askingDelayMs,
  CHARGES_MAX,
  dueBy,
  RECHECKS_MAX,
  roundDelayMs,
  SLOWEST_ASKING,
  THROTTLE_WAIT_MAX_MS,
} from './schedule.ts';

/** D2: not charged, for good. What follows is decided here, in the same commit (D1). */
export function close(told: Case, detail: string): void {
  endWithout(told, detail, goOn);
}

/** As `close`, and nobody else is asked. */
export function giveUp(told: Case, detail: string): void {
  endWithout(told, detail, ({ attempts, attempt }) => exhaust(attempts, attempt));
}

function endWithout(told: Case, detail: string, thenDo: (closed: Case) => void): void {
  const closed = settle(told, { state: 'closed' });
  if (closed.cancelling) {
    tellCancelled(told.attempts, closed, detail);
    return;
  }
  told.attempts.tell(closed, 'provider.closed', { ...attemptData(closed), detail });
  thenDo({ ...told, attempt: closed });
}

export function tellCancelled(attempts: Attempts, attempt: Attempt, detail: string): void {
  attempts.tell(attempt, 'provider.cancelled', { attempts: attempt.number, detail });
}

/** As `close`, and another of the route goes on at once. The one that is left was not tried, and stays one of the round. */
export function turnTo(told: Case, route: readonly string[], detail: string): void {
  const { now, routing } = told.context;
  endWithout(told, detail, (closed) => beginNext(closed, choose(route, routing), now));
}

/** The next attempt: at another provider of the round if one of them is called, or in a new round. */
function goOn(closed: Case): void {
  const { attempt, context } = closed;
  const { now, random, routing } = context;
  const isRoundOver = !attempt.others.some((name) => routing.isAvailable(name));
  if (isRoundOver)
    beginNext(
      closed,
      choose(routing.routeOf(attempt), routing),
      now + roundDelayMs(attempt.number + 1, random),
    );
  else beginNext(closed, choose(attempt.others, routing), now);
}

/** Within bounds. */
function beginNext({ attempts, attempt, context }: Case, choice: Choice | undefined, sendAt: EpochMs): void {
  const { now } = context;
  if (choice === undefined || attempt.number >= CHARGES_MAX || Math.max(now, sendAt) >= attempt.deadlineAt) {
    exhaust(attempts, attempt);
  } else {
    const next = attempts.begin(nextCharge(attempt, { choice, sendAt, now }));
    attempts.follow(next, 'provider.closed');
  }
}

function exhaust(attempts: Attempts, attempt: Attempt): void {
  attempts.tell(attempt, 'provider.exhausted', {
    attempts: attempt.number,
    code: 'providers.unavailable',
    detail: `No provider charged in ${attempt.number} attempts; the last one was ${attempt.provider}.`,
  });
}

export function settle({ attempts, attempt }: Case, end: Partial<Attempt>): Attempt {
  return attempts.change(attempt, { ...end, dueAt: null, tries: 0 });
}

/** Nobody knows: the provider is asked, at once or after the first delay. */
export function doubt({ attempts, attempt, context }: Case, detail: string, delayMs?: number): void {
  const dueAt =
    delayMs === undefined
      ? askAgainAt(attempt, 0, context)
      : dueBy(attempt, context.now + delayMs, context.now);
  const doubtful = attempts.change(attempt, { state: 'unknown', exposed: true, tries: 0, dueAt });
  tellUnknown(attempts, doubtful, detail);
}

export function tellUnknown(attempts: Attempts, attempt: Attempt, detail: string): void {
  if (attempt.toldUnknown) return;
  const told = attempts.change(attempt, { toldUnknown: true });
  attempts.tell(told, 'provider.unknown', { ...attemptData(told), detail });
  attempts.follow(told, 'provider.unknown');
}

/**
 * The charge is to be blocked at the provider, which answers whether it is too late. One that cannot block is asked
 * until its time has passed (D2).
 */
export function callOffCharge(
  attempts: Attempts,
  attempt: Attempt,
  change: Partial<Attempt>,
  { now, routing }: DecisionContext,
): void {
  const canVoid = routing.termsOf(attempt.provider)?.canVoid === true;
  const state = canVoid ? 'voiding' : attempt.state === 'pending' ? 'pending' : 'unknown';
  attempts.change(attempt, { ...change, state, exposed: true, tries: 0, dueAt: now });
}

export function askAgainAt(attempt: Attempt, asked: number, { now, random }: DecisionContext): EpochMs {
  return dueBy(attempt, now + askingDelayMs(asked, random), now);
}

/** An inquiry or a void has brought nothing. `wantedMs`: the wait that the provider asks for. */
export function askLater({ attempts, attempt, context }: Case, wantedMs = 0): void {
  const tries = attempt.tries + 1;
  const latest = askAgainAt(attempt, tries, context);
  const dueAt = Math.min(Math.max(latest, context.now + wantedMs), latest + THROTTLE_WAIT_MAX_MS);
  const asked = attempts.change(attempt, { tries, dueAt });
  if (attempt.state === 'voiding')
    tellUnknown(attempts, asked, `${asked.provider} has not confirmed that the charge is void.`);
}

/**
 * What has ended is only made sure of: a decline that the provider contradicted, a person's word. When it is asked again
 * after what it has answered; null if that was the last time.
 */
export function askOnceMore({ attempts, attempt, context }: Case): EpochMs | null {
  const tries = attempt.tries + 1;
  const dueAt = tries >= RECHECKS_MAX ? null : context.now + askingDelayMs(tries, context.random);
  attempts.change(attempt, { tries, dueAt });
  return dueAt;
}

/** It has not said anything, so that does not count: it is asked on, ever more rarely, until it does. */
export function askUntilHeard({ attempts, attempt, context }: Case): void {
  const tries = Math.max(attempt.tries, Math.min(attempt.tries + 1, SLOWEST_ASKING));
  attempts.change(attempt, { tries, dueAt: context.now + askingDelayMs(tries, context.random) });
}

/** D4 */
export function giveBack({ attempts, attempt, context }: Case, detail: string): void {
  const taken = attempts.change(attempt, { state: 'unexpected', dueAt: null });
  attempts.tell(taken, 'provider.charged_unexpectedly', {
    ...attemptData(taken),
    amount: taken.amount,
    currency: taken.currency,
    detail,
  });
  const number = nextNumber(attempts.of(taken.subject), 'refund');
  const deadlineAt = context.now + context.deadlines.refundMs;
  const refund = attempts.begin(unexpectedRefund(taken, { number, now: context.now, deadlineAt }));
  attempts.follow(refund, 'provider.charged_unexpectedly');
}
