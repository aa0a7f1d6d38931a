import type { EpochMs } from '#kernel/clock.ts';
import type { Attempts } from './attempts.ts';
import { decideCharge } from './decide-charge.ts';
import { decideRefund } from './decide-refund.ts';
import type { DecisionContext } from './decision-context.ts';
import type { Report } from './report.ts';
import { CLOCK_SKEW_MS } from './schedule.ts';

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

/**
 * The one instant of what a batch tells: not before what it follows from, as far as clocks differ. What lies further ahead
 * was written by a clock that had jumped, and dates nobody else's events.
 */
export function datedAt(attempts: Attempts, reports: readonly AttemptReport[], now: EpochMs): EpochMs {
  const instants = reports.map(({ subject }) => attempts.instantFor(subject, now));
  return instants.reduce((latest, at) => (at <= now + CLOCK_SKEW_MS ? Math.max(latest, at) : latest), now);
}

/** Applies a batch, in its order, each report at its subject's own instant; whether there are such attempts. */
export function decideReports(
  attempts: Attempts,
  reports: readonly AttemptReport[],
  context: DecisionContext,
): boolean[] {
  return reports.map((report) =>
    decideAttempt(attempts, report, {
      ...context,
      now: attempts.instantFor(report.subject, context.now),
    }),
  );
}
