/** A call about a charge has ended without a statement of the provider (D2). Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import { type Attempt, isOpen, type Operation, operationOf } from './attempt.ts';
import {
  askLater,
  askOnceMore,
  askUntilHeard,
  callOffCharge,
  close,
  doubt,
  giveUp,
  turnTo,
} from './charge-ends.ts';
import type { ProviderTerms } from './configuration.ts';
import { contradict } from './contradict.ts';
import type { Case } from './decision-context.ts';
import { reasonOf } from './detail.ts';
import type { CallEnd } from './report.ts';
import {
  AWAITED_WITHIN_MS,
  CLOCK_SKEW_MS,
  ERROR_RETRIES_MAX,
  errorDelayMs,
  HELD_BACK_MS,
  THROTTLE_WAIT_MAX_MS,
  THROTTLES_MAX,
  throttleDelayMs,
  UNSENT_TRIES_MAX,
  unsentDelayMs,
} from './schedule.ts';

/** States in which the provider is asked what holds. */
const ASKED: ReadonlySet<Attempt['state']> = new Set([
  'pending',
  'unknown',
  'declined',
  'resolved_charged',
  'reversed',
]);

/** Whether the call is the one that the attempt waits for: others have been overtaken by what is known since. */
export function isLastCall(
  { state, calls }: Attempt,
  { operation, call }: { operation: Operation; call: number },
) {
  if (call !== calls) return false;
  switch (operation) {
    case 'charge':
      return state === 'sending';
    case 'inquire':
      return ASKED.has(state);
    case 'void':
      return state === 'voiding' || state === 'resolved_not_charged';
    case 'refund':
    case 'inquire_refund':
      return false;
    default:
      return assertNever(operation);
  }
}

/** The last call has brought no statement. */
export function endChargeCall(call: Case, result: CallEnd, operation: Operation): void {
  if (operation === 'charge') endCharge(call, result);
  else if (!isOpen(call.attempt)) recheck(call, result);
  else if (result.kind === 'not_found' && operation === 'inquire') notFound(call, result.askedAt);
  else askLater(call, result.kind === 'throttled' ? result.retryAfterMs : 0);
}

/** What a person has said is charged, and the provider knows nothing of to the end, is for a person again. */
function recheck(call: Case, result: CallEnd): void {
  if (result.kind !== 'not_found' && mayStillSay(call)) {
    askUntilHeard(call);
    return;
  }
  const isLast = askOnceMore(call) === null;
  const { attempts, attempt } = call;
  if (isLast && result.kind === 'not_found' && attempt.state === 'resolved_charged')
    contradict(
      { ...call, attempt: attempts.find(attempt.subject, attempt.uuid) ?? attempt },
      'not_found',
      {},
    );
}

/** Whether it is away, and not out of the file, or without the void that it is asked for. */
function mayStillSay({ attempt, context }: Case): boolean {
  const terms = context.routing.termsOf(attempt.provider);
  return terms !== undefined && (terms.canVoid || operationOf(attempt) !== 'void');
}

function endCharge(call: Case, result: CallEnd): void {
  switch (result.kind) {
    case 'not_sent':
      return tryElsewhere(call, result.detail);
    case 'not_called':
      return waitForAnybody(call, result.detail);
    case 'too_late':
      return call.attempt.exposed ? doubt(call, result.detail) : giveUp(call, result.detail);
    case 'busy':
      return waitForRoom(call, result.detail);
    case 'held_back':
      call.attempts.change(call.attempt, { state: 'waiting', dueAt: call.context.now + HELD_BACK_MS });
      return;
    case 'throttled':
      return comeBack(call, result.retryAfterMs);
    case 'error':
      return repeat(call, result.detail);
    case 'rejected':
      return call.attempt.exposed ? doubt(call, reasonOf(result)) : close(call, reasonOf(result));
    case 'unclear':
      return doubt(call, result.detail);
    case 'lapsed':
      return doubt(call, 'Whoever was sending the charge has not said what became of it.', 0);
    // No answer to a charge.
    case 'not_found':
      return doubt(call, `${call.attempt.provider} answered that there is no such charge.`);
    default:
      assertNever(result);
  }
}

/**
 * It has not left now. If no earlier try may have reached the provider either (D2): the next provider of the round, or
 * once more the last one after a while.
 */
function tryElsewhere(call: Case, detail: string): void {
  const { attempts, attempt, context } = call;
  if (attempt.exposed) {
    doubt(call, detail);
    return;
  }
  const tries = attempt.tries + 1;
  if (attempt.others.length > 0 || tries >= UNSENT_TRIES_MAX || context.now >= attempt.deadlineAt) {
    close(call, detail);
    return;
  }
  const dueAt = context.now + unsentDelayMs(tries, context.random);
  attempts.change(attempt, { state: 'waiting', tries, dueAt: Math.min(dueAt, attempt.deadlineAt) });
}

/**
 * It has not left now, since its provider is not called. It waits for that, or goes to another of its route that is called.
 * While none is, it waits for whoever answers first, which the sweeper sees without trying again and again; not for ever,
 * and not if it may have left before.
 */
function waitForAnybody(call: Case, detail: string): void {
  const { attempts, attempt, context } = call;
  const { now, routing } = context;
  const route = routing.routeOf(attempt);
  const isCalled = routing.isAvailable(attempt.provider);
  const isAwaited =
    route.some((name) => routing.isAwaited(name)) || now < attempt.createdAt + AWAITED_WITHIN_MS;
  if (attempt.exposed) doubt(call, `${detail} An earlier try may have reached it.`);
  else if (!isCalled && route.some((name) => routing.isAvailable(name))) turnTo(call, route, detail);
  else if (isCalled || isAwaited)
    attempts.change(attempt, { state: 'waiting', dueAt: Math.min(now + HELD_BACK_MS, attempt.deadlineAt) });
  else giveUp(call, detail);
}

/** It has not left now: to another provider of the round that has room, or else until this one has, for as long as there is time. */
function waitForRoom(call: Case, detail: string): void {
  const { attempts, attempt, context } = call;
  const { now, random, routing } = context;
  const isElsewhereRoom = !attempt.exposed && attempt.others.some((name) => routing.hasRoom(name));
  if (isElsewhereRoom || now >= attempt.deadlineAt) {
    tryElsewhere(call, detail);
  } else {
    const dueAt = Math.min(now + unsentDelayMs(1, random), attempt.deadlineAt);
    attempts.change(attempt, { state: 'waiting', dueAt });
  }
}

function comeBack(call: Case, retryAfterMs: number): void {
  const { attempts, attempt, context } = call;
  const tries = attempt.tries + 1;
  const dueAt = context.now + throttleDelayMs(retryAfterMs, context.random);
  if (retryAfterMs > THROTTLE_WAIT_MAX_MS || tries > THROTTLES_MAX || dueAt >= attempt.deadlineAt) {
    callOffCharge(attempts, attempt, { exposed: true }, context);
  } else {
    attempts.change(attempt, { state: 'waiting', exposed: true, tries, dueAt });
  }
}

function repeat(call: Case, detail: string): void {
  const { attempts, attempt, context } = call;
  const tries = attempt.tries + 1;
  const dueAt = context.now + errorDelayMs(tries, context.random);
  if (tries > ERROR_RETRIES_MAX || dueAt >= attempt.deadlineAt) doubt(call, detail);
  else attempts.change(attempt, { state: 'waiting', exposed: true, tries, dueAt });
}

/** D2: a request may still be on its way, so its key is blocked, or its time is waited for, as of when it was asked. */
function notFound(call: Case, askedAt: EpochMs): void {
  const { attempts, attempt, context } = call;
  const terms = context.routing.termsOf(attempt.provider);
  if (terms?.canVoid === true) {
    callOffCharge(attempts, attempt, {}, context);
  } else if (terms !== undefined && askedAt > settledBy(attempt, terms)) {
    close(call, `${attempt.provider} knows nothing of the charge after the longest time that it needs.`);
  } else {
    askLater(call);
  }
}

/** A request that began before `sendBefore` may go on leaving until its sender gives it up; then the provider's longest delay begins. */
function settledBy({ sendBefore }: Attempt, { timeoutMs, settlesWithinMs }: ProviderTerms): EpochMs {
  return sendBefore + timeoutMs + settlesWithinMs + CLOCK_SKEW_MS;
}
