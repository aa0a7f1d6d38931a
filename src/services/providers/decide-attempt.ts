import type { Attempts } from './attempts.ts';
import { decideCharge } from './decide-charge.ts';
import { decideRefund } from './decide-refund.ts';
import type { DecisionContext } from './decision-context.ts';
import type { Report } from './report.ts';

/** A report, and the attempt it is about. */
export interface AttemptReport {
  readonly subject: string;
  readonly uuid: string;
  readonly report: Report;
}

/** Applies a report to its attempt, and to those of the same subject. False if there is no such attempt. */
export function decideAttempt(
  attempts: Attempts,
  { subject, uuid, report }: AttemptReport,
  context: DecisionContext,
): boolean {
  const attempt = attempts.find(subject, uuid);
  if (attempt === undefined) return false;
  (attempt.kind === 'charge' ? decideCharge : decideRefund)(attempts, attempt, report, context);
  return true;
}
