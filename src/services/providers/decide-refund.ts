/**
 * What becomes of a refund by what is reported of it. A refund is idempotent by its key, so on any doubt it is asked for
 * again under the same one, for as long as it takes (D3 and D5 of decide-charge.ts hold here too). Pure.
 */
import { assertNever } from '#kernel/fault.ts';
import { type Attempt, isOpen, nextNumber } from './attempt.ts';
import { type Attempts, attemptData, chargedData } from './attempts.ts';
import { contradict } from './contradict.ts';
import type { Case, DecisionContext } from './decision-context.ts';
import { reasonOf } from './detail.ts';
import { refundAgain } from './new-attempt.ts';
import { type CallEnd, type CallReport, isStatement, type Report, type Statement } from './report.ts';
import {
  askingDelayMs,
  COMPENSATIONS_MAX,
  dueBy,
  newRefundDelayMs,
  refundDelayMs,
  THROTTLE_WAIT_MAX_MS,
  UNEXPECTED_REFUNDS_MAX,
} from './schedule.ts';

export function decideRefund(
  attempts: Attempts,
  attempt: Attempt,
  report: Report,
  context: DecisionContext,
): void {
  const { result } = report;
  const refund = { attempts, attempt, context };
  if (isStatement(result)) hear(refund, result);
  else if (report.from === 'call' && report.call === attempt.calls && isOpen(attempt))
    endCall({ ...refund, attempt: heard(refund, report) }, result);
  const after = attempts.find(attempt.subject, attempt.uuid);
  if (after !== undefined) tellIfOverdue(refund, after);
}

/** What an earlier call has done that nobody has heard of, its process having been killed, the provider may know. */
function heard({ attempts, attempt }: Case, { call, begunAs }: CallReport): Attempt {
  const isOneLost = attempt.heard < begunAs - 1;
  return attempts.change(attempt, { heard: call, exposed: attempt.exposed || isOneLost });
}

function hear(refund: Case, statement: Statement): void {
  switch (statement.kind) {
    case 'refunded':
      return succeed(refund, statement.reference);
    case 'failed':
      return fail(refund, statement);
    case 'pending':
      return wait(refund, statement.reference);
    // Of charges; whoever reports has looked at the attempt's kind.
    case 'approved':
    case 'declined':
    case 'voided':
      return;
    default:
      assertNever(statement);
  }
}

function succeed(refund: Case, reference: string | null): void {
  const { attempts, attempt } = refund;
  // Refused, or settled by a person: given back once more than anybody knew.
  if (attempt.state === 'refused' || attempt.state === 'resolved')
    contradict(refund, 'refunded', { providerReference: reference });
  if (!isOpen(attempt)) return;
  const done = attempts.change(attempt, { state: 'refunded', dueAt: null, providerReference: reference });
  const type = done.purpose === 'unexpected' ? 'provider.unexpected_charge_refunded' : 'provider.refunded';
  attempts.tell(done, type, chargedData(done));
}

interface Refusal {
  readonly code: string;
  readonly detail: string;
}

/** The provider has given this refund up. What the payment asked for is asked for again under a new key. */
function fail(refund: Case, refusal: Refusal): void {
  const { attempts, attempt, context } = refund;
  if (attempt.state === 'refunded') contradict(refund, 'failed', {});
  if (!isOpen(attempt)) return;
  const refused = attempts.change(attempt, { state: 'refused', dueAt: null });
  const made = attempts.of(refused.subject).filter(({ purpose }) => purpose === refused.purpose).length;
  if (made >= TRIES_MAX[refused.purpose]) {
    refuse(attempts, refused, refusal);
    return;
  }
  const number = nextNumber(attempts.of(refused.subject), 'refund');
  const sendAt = context.now + newRefundDelayMs(refused, context.random);
  attempts.begin(refundAgain(refused, { number, now: context.now, sendAt }));
}

/** Attempts to give money back. A refund that somebody asked for is theirs to ask for again. */
const TRIES_MAX: Readonly<Record<Attempt['purpose'], number>> = {
  payment: 1,
  refund: 1,
  compensation: COMPENSATIONS_MAX,
  unexpected: UNEXPECTED_REFUNDS_MAX,
};

function refuse(attempts: Attempts, attempt: Attempt, refusal: Refusal): void {
  // The saga waits for no refund of an unexpected charge: that it was never told as refunded is the finding.
  if (attempt.purpose === 'unexpected') return;
  tellRefused(attempts, attempt, `${attempt.provider} refused: ${reasonOf(refusal)}`);
}

export function tellRefused(attempts: Attempts, attempt: Attempt, detail: string): void {
  attempts.tell(attempt, 'provider.refund_refused', {
    ...attemptData(attempt),
    code: 'providers.refund_refused',
    detail,
  });
}

function wait({ attempts, attempt, context }: Case, reference: string | null): void {
  if (!isOpen(attempt)) return;
  const tries = attempt.state === 'pending' ? attempt.tries + 1 : 0;
  const { now, random } = context;
  attempts.change(attempt, {
    state: 'pending',
    exposed: true,
    providerReference: reference,
    tries,
    dueAt: dueBy(attempt, now + askingDelayMs(tries, random), now),
  });
}

function endCall(refund: Case, result: CallEnd): void {
  switch (result.kind) {
    case 'rejected':
      // Of a refund that may have been taken before, only an inquiry tells whether it was.
      return refund.attempt.exposed ? askLater(refund, { state: 'pending' }) : fail(refund, result);
    case 'not_found':
      // It never arrived: it is asked for again, and its refusal is then one.
      return askLater(refund, { state: 'sending', exposed: false });
    case 'throttled':
      return askLater(refund, {}, result.retryAfterMs);
    case 'not_sent':
    case 'not_called':
    case 'too_late':
    case 'busy':
    case 'held_back':
      return askLater(refund, {});
    case 'error':
    case 'unclear':
    case 'lapsed':
      return askLater(refund, { exposed: true });
    default:
      assertNever(result);
  }
}

function askLater({ attempts, attempt, context }: Case, change: Partial<Attempt>, wantedMs = 0): void {
  const { now, random } = context;
  const tries = attempt.tries + 1;
  const isAsking = (change.state ?? attempt.state) === 'pending';
  const delayMs = isAsking ? askingDelayMs(tries, random) : refundDelayMs(tries, random);
  const dueAt = now + Math.max(delayMs, Math.min(wantedMs, THROTTLE_WAIT_MAX_MS));
  attempts.change(attempt, { ...change, tries, dueAt: dueBy(attempt, dueAt, now) });
}

/** D5. Nobody waits for what gives an unexpected charge back. */
function tellIfOverdue({ attempts, context }: Case, attempt: Attempt): void {
  if (attempt.toldUnresolved || !isOpen(attempt) || context.now < attempt.deadlineAt) return;
  const told = attempts.change(attempt, { toldUnresolved: true });
  if (told.purpose === 'unexpected') return;
  const detail =
    context.routing.termsOf(told.provider) === undefined
      ? `${told.provider} is not in the providers file any more, and cannot be asked whether it gave the money back.`
      : `${told.provider} has not said in time whether it gave the money back; it goes on being asked.`;
  attempts.tell(told, 'provider.refund_unresolved', { ...attemptData(told), detail });
  attempts.follow(told, 'provider.refund_unresolved');
}
