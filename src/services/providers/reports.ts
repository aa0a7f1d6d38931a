/**
 * What becomes known about attempts, taken in batches: answers to calls, callbacks, and that nobody answers. A report has
 * no key: applied again to the state that it left, it changes nothing.
 */
import type { Clock } from '#kernel/clock.ts';
import { type AppliedBatch, GroupCommit } from '#platform/batch/group-commit.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import type { AttemptChanges } from './attempts.ts';
import { type AttemptReport, datedAt, decideReports } from './decide-attempt.ts';
import type { DecisionContext } from './decision-context.ts';
import { followEvents, lockAttempts, saveAttempts } from './store.ts';

export interface ReportsOptions {
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly decisions: Omit<DecisionContext, 'now'>;
  readonly batchMax: number;
  readonly observer: BatchObserver;
  /** After each commit. */
  readonly onCommitted: (changes: AttemptChanges) => void;
}

export class Reports {
  readonly #options: ReportsOptions;
  readonly #batches: GroupCommit<AttemptReport, boolean>;

  constructor(options: ReportsOptions) {
    this.#options = options;
    this.#batches = new GroupCommit({
      name: 'providers.reports',
      log: options.log,
      session: options.session,
      random: options.decisions.random,
      batchMax: options.batchMax,
      paceMs: AWAITED_PACE_MS,
      delayMs: () => 0,
      observer: options.observer,
      apply: (tx, reports) => this.#apply(tx, reports),
    });
  }

  start(): void {
    this.#batches.start();
  }

  /** Resolves once what follows from the report is durable; false if there is no such attempt. */
  submit(report: AttemptReport): Promise<boolean> {
    return this.#batches.submit(report);
  }

  stop(): Promise<void> {
    return this.#batches.stop();
  }

  async #apply(tx: Transaction, reports: readonly AttemptReport[]): Promise<AppliedBatch<boolean>> {
    const { clock, decisions, log, onCommitted } = this.#options;
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
}
