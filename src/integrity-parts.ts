/** The integrity service as a process has it: its consumer, its chores, its routes. */
import type { Clock } from '#kernel/clock.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { HeldPartitions } from '#platform/log/held-partitions.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { CardVerdictReads } from '#services/integrity/card-verdicts.ts';
import { CheckpointClerk } from '#services/integrity/checkpoints/checkpoint-clerk.ts';
import { CheckpointReads } from '#services/integrity/checkpoints/checkpoint-reads.ts';
import { registerCheckpointRoutes } from '#services/integrity/checkpoints/checkpoint-routes.ts';
import { checkpointTelemetry } from '#services/integrity/checkpoints/checkpoint-telemetry.ts';
import { PublishedKeys } from '#services/integrity/checkpoints/published-keys.ts';
import { Receipts } from '#services/integrity/checkpoints/receipts.ts';
import type { SigningKey } from '#services/integrity/checkpoints/signing-key.ts';
import { integrityConsumer } from '#services/integrity/consumer.ts';
import type { FindingObserver } from '#services/integrity/finding-desk.ts';
import { FindingReads } from '#services/integrity/finding-reads.ts';
import { registerFindingRoutes } from '#services/integrity/finding-routes.ts';
import { IntegrityKeeper } from '#services/integrity/keeper.ts';
import { VerdictReads } from '#services/integrity/reads.ts';
import { registerIntegrityRoutes } from '#services/integrity/routes.ts';
import { findingTelemetry } from '#services/integrity/telemetry.ts';
import { integrityProof } from './integrity-proof.ts';
import { followedBy, type LeasedWorker } from './leased-worker.ts';
import { keyReusedOf } from './problems.ts';
import type { Stops } from './stops.ts';
import { TOPOLOGY } from './topology.ts';

export interface IntegrityContext {
  readonly url: string;
  readonly reads: ReadPool;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly stops: Stops;
  readonly openSession: (name: string) => Session;
  /** Of what could not be done. */
  readonly onError: (what: string) => (error: unknown) => void;
}

export class IntegrityParts {
  readonly #context: IntegrityContext;
  readonly #reads: FindingReads;
  readonly #observer: FindingObserver;
  /** Of the logs that this process follows: who has the first partition does the chores. */
  readonly #following = new HeldPartitions();

  constructor(context: IntegrityContext) {
    this.#context = context;
    this.#reads = new FindingReads(context.reads);
    this.#observer = findingTelemetry(context, () => this.#reads.countLive());
  }

  /** Opened before the workers, so that it is stopped after them: its last checkpoint covers their last batches. */
  openCheckpoints(key: SigningKey, intervalMs: number): void {
    const { openSession, clock, metrics, logger, onError, stops } = this.#context;
    const clerk = new CheckpointClerk({
      session: openSession('checkpoints'),
      clock,
      key,
      intervalMs,
      random: Math.random,
      onTurn: checkpointTelemetry(metrics),
      onRefused: (reason) => logger.error({ reason }, 'no checkpoint is signed over this log'),
      onError: onError('no checkpoint could be made'),
    });
    clerk.start();
    stops.add(() => clerk.stop());
  }

  consumer() {
    const { metrics, clock } = this.#context;
    const judged = metrics.counter({
      name: 'lastro_sagas_judged_total',
      help: 'Verdicts that this process has written.',
      labels: ['verdict'],
      known: [{ verdict: 'complete' }, { verdict: 'broken' }],
    });
    return integrityConsumer(
      (verdicts) => {
        for (const { verdict } of verdicts) judged.with({ verdict }).inc();
      },
      clock,
      this.#observer,
    );
  }

  /** The worker of the consumer, whose leases say who does the chores. */
  noting(worker: LeasedWorker): LeasedWorker {
    return followedBy(this.#following, worker);
  }

  /** Its routes are there in every process; it works where integrity is started. */
  keeper(log: EventLog, { isStarted }: { readonly isStarted: boolean }): IntegrityKeeper {
    const { url, stops, openSession, clock, onError } = this.#context;
    const proof = integrityProof(url);
    stops.add(() => proof.close());
    const keeper = new IntegrityKeeper({
      openSession,
      log,
      proof,
      clock,
      random: Math.random,
      observer: this.#observer,
      isOwner: () => this.#following.has(0),
      onError: onError('integrity could not be looked after'),
    });
    stops.add(() => keeper.stop());
    if (isStarted) keeper.start();
    return keeper;
  }

  registerRoutes(
    app: HttpApp,
    { desk, audits, proof }: IntegrityKeeper,
    options: { readonly checkpointIntervalMs: number; readonly signingKey: SigningKey | undefined },
  ): void {
    const { reads, clock } = this.#context;
    const { checkpointIntervalMs: intervalMs, signingKey } = options;
    const checkpoints = new CheckpointReads(reads);
    registerIntegrityRoutes(
      app,
      new VerdictReads(reads, TOPOLOGY.topics),
      new CardVerdictReads(reads, proof),
    );
    registerFindingRoutes(app, {
      reads: this.#reads,
      desk,
      audits,
      keyReused: keyReusedOf('integrity'),
    });
    registerCheckpointRoutes(app, {
      checkpoints,
      receipts: new Receipts(reads, TOPOLOGY.topics, checkpoints),
      keys: signingKey && new PublishedKeys(checkpoints, clock, signingKey),
      intervalMs,
    });
  }
}
