/**
 * What becomes known about attempts, taken in batches: answers to calls, callbacks, and that nobody answers. A report has
 * no key: applied again to the state that it left, it changes nothing.
 */
import type { Clock } from '#kernel/clock.ts';
import { type AppliedBatch, GroupCommit, type GroupCommitOptions } from '#platform/batch/group-commit.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { AttemptChanges } from './attempts.ts';
import { type AttemptReport, datedAt, decideReports } from './decide-attempt.ts';
import type { DecisionContext } from './decision-context.ts';
import { followEvents, lockAttempts, saveAttempts } from './store.ts';

export interface ReportsOptions
  extends Pick<GroupCommitOptions<AttemptReport, boolean>, 'log' | 'session' | 'batchMax' | 'observer'> {
  readonly clock: Clock;
  readonly decisions: Omit<DecisionContext, 'now'>;
  /** After each commit. */
  readonly onCommitted: (changes: AttemptChanges) => void;
}

/** A report's outcome is given once what follows from it is durable; false if there is no such attempt. */
export type Reports = GroupCommit<AttemptReport, boolean>;

export function createReports(options: ReportsOptions): Reports {
  return new GroupCommit({
    name: 'providers.reports',
    ...options,
    random: options.decisions.random,
    paceMs: AWAITED_PACE_MS,
    delayMs: () => 0,
    apply: (tx, reports) => applyReports(tx, reports, options),
  });
}

async function applyReports(
  tx: Transaction,
  reports: readonly AttemptReport[],
  options: ReportsOptions,
): Promise<AppliedBatch<boolean>> {
  const { clock, decisions, log, onCommitted } = options;
  const attempts = await lockAttempts(
    tx,
    reports.map(({ subject }) => subject),
  );
  const now = clock.now();
  const occurredAt = datedAt(attempts, reports, now);
  const outcomes = decideReports(attempts, reports, { ...decisions, now });
  const changes = attempts.changes();
  const { drafts } = changes;
  saveAttempts(tx, changes, now);
  const segments = sendDrafts(tx, { topic: 'providers', partitions: log.partitions, occurredAt, drafts });
  followEvents(tx, changes);
  return { outcomes, segments, committed: () => onCommitted(changes) };
}
