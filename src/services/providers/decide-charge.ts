/**
 * What becomes of an attempt to charge, and of its payment, by what is reported of it. Pure: attempts and an instant in,
 * attempts and events out.
 *
 * D1: a payment has at most one open attempt; the next begins in the commit that closes the one before it.
 * D2: an attempt is closed only if the provider has said that it is void, or refused by a code of its own, or if it never left.
 *     Without a void, "not found" closes it when the longest delay of the provider has passed since the last instant at
 *     which it may have been leaving: its sender's time to begin and its timeout.
 * D3: what a provider says is taken whenever it comes. The first end stays; what contradicts it is told, not applied.
 * D4: money that was taken against that is given back (`unexpected`), whoever has it.
 * D5: nothing is given up while it is not known: after the deadline that is told, once, and asking goes on.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Attempt } from './attempt.ts';
import { type Attempts, attemptData } from './attempts.ts';
import type { DecisionContext } from './decision-context.ts';
import { endChargeCall, isLastCall } from './end-charge-call.ts';
import { type HeardBy, hearCharge } from './hear-charge.ts';
import { isStatement, type Report } from './report.ts';

export function decideCharge(
  attempts: Attempts,
  attempt: Attempt,
  report: Report,
  context: DecisionContext,
): void {
  const { result } = report;
  if (isStatement(result)) {
    hearCharge({ attempts, attempt, context }, result, heardBy(report));
  } else if (report.from === 'call' && isLastCall(attempt, report)) {
    endChargeCall({ attempts, attempt, context }, result, report.operation);
  }
  const after = attempts.find(attempt.subject, attempt.uuid);
  if (after !== undefined) tellIfOverdue(attempts, after, context.now);
}

function heardBy(report: Report): HeardBy {
  if (report.from === 'callback') return 'callback';
  return report.operation === 'inquire' ? 'inquiry' : 'answer';
}

const IN_DOUBT: ReadonlySet<string> = new Set(['pending', 'unknown', 'voiding']);

/** D5 */
function tellIfOverdue(attempts: Attempts, attempt: Attempt, now: EpochMs): void {
  if (attempt.toldUnresolved || now < attempt.deadlineAt || !IN_DOUBT.has(attempt.state)) return;
  const told = attempts.change(attempt, { toldUnresolved: true });
  const detail = `${told.provider} has not said in time whether it charged; it goes on being asked.`;
  attempts.tell(told, 'provider.unresolved', { ...attemptData(told), detail });
  attempts.follow(told, 'provider.unresolved');
}
