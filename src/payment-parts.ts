/**
 * Payments as their callers meet them in a process: intake, changes, reads, and waiting for ends; made with what they share
 * with the others (parts.ts).
 */
import { DecidedAnswers } from '#platform/batch/decided-answers.ts';
import type { LagMonitor } from '#platform/batch/lag-monitor.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { Admission, CommandQueue } from '#platform/http/command-route.ts';
import { FinalStates } from '#platform/http/final-states.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { ChangeOrder } from '#services/payments/change-orders.ts';
import { registerPaymentChangeRoutes } from '#services/payments/change-routes.ts';
import { isFinal, type Payment, type PaymentOrder } from '#services/payments/payment.ts';
import { PaymentChanges } from '#services/payments/payment-changes.ts';
import { PaymentIntake } from '#services/payments/payment-intake.ts';
import { PaymentReads } from '#services/payments/reads.ts';
import type { Refund } from '#services/payments/refund.ts';
import { RefundReads } from '#services/payments/refund-reads.ts';
import { registerRefundRoutes } from '#services/payments/refund-routes.ts';
import { registerPaymentRoutes } from '#services/payments/routes.ts';
import { type Changed, paymentStatusConsumer } from '#services/payments/status-consumer.ts';
import { paymentTelemetry } from '#services/payments/telemetry.ts';
import type { EngineParts, Restraint } from './engine-parts.ts';
import { overload } from './overload.ts';
import { keyReusedOf, renderAnswer } from './problems.ts';
import { takesGatewayPayments } from './provider-configuration.ts';

export interface SharedWithPayments {
  readonly engine: EngineParts;
  readonly reads: ReadPool;
  readonly settings: Settings;
}

export class PaymentParts {
  readonly #shared: SharedWithPayments;
  readonly #reads: PaymentReads;
  readonly #refundReads: RefundReads;
  readonly #finalStates: FinalStates<Payment>;
  readonly #refundEnds: FinalStates<Refund>;
  readonly #countEnds: (changes: readonly Changed[]) => void;

  constructor(shared: SharedWithPayments) {
    this.#shared = shared;
    this.#reads = new PaymentReads(shared.reads);
    this.#refundReads = new RefundReads(shared.reads);
    this.#finalStates = new FinalStates((tenant, uuid) => this.#reads.find(tenant, uuid), isFinal);
    this.#refundEnds = new FinalStates((tenant, uuid) => this.#refundReads.find(tenant, uuid), isFinal);
    this.#countEnds = paymentTelemetry(shared.engine.metrics);
  }

  /** What waits for ends. */
  get ends(): readonly { stop(): void }[] {
    return [this.#finalStates, this.#refundEnds];
  }

  /** Who waits for an end that it writes hears of it at once. */
  statusConsumer() {
    return paymentStatusConsumer((changes) => {
      this.#countEnds(changes);
      this.#finalStates.noteChanges(changes);
      this.#refundEnds.noteChanges(changes);
    });
  }

  openChanges(log: EventLog): CommandQueue<ChangeOrder> {
    const handler = new PaymentChanges({ renderProblem: renderAnswer });
    return this.#shared.engine.commandWorker(log, { name: 'payments.changes', topic: 'payments', handler });
  }

  openIntake(log: EventLog, lags: LagMonitor): CommandQueue<PaymentOrder> {
    const { engine, settings } = this.#shared;
    const gateways = takesGatewayPayments(settings);
    const handler = new PaymentIntake({ renderProblem: renderAnswer, gateways });
    const { precedence } = engine;
    const restraint: Restraint = {
      delayMs: () => Math.max(lags.delayMs(), precedence.delayMs()),
      takes: (waiting) => precedence.takes(waiting),
    };
    const gauge = engine.metrics.gauge({
      name: 'lastro_intake_delay_seconds',
      help: 'How long each next batch of payments waits here before it begins: their stages lag, or card transactions are nearly late.',
      labels: [],
    });
    engine.metrics.beforeScrape(() => gauge.with({}).set(restraint.delayMs() / 1000));
    return engine.commandWorker(log, { topic: 'payments', handler, restraint });
  }

  admission(lags: LagMonitor): Admission<PaymentOrder> {
    const decided = new DecidedAnswers({
      idempotency: new IdempotencyStore('payments'),
      session: this.#shared.engine.session('payments.decided'),
      keyReused: keyReusedOf('payments'),
    });
    return {
      obstacle: ({ tenant, body }) => overload(lags, { tenant, key: body.wallet_id }),
      findDecided: (command) => decided.find(command),
    };
  }

  registerRoutes(
    app: HttpApp,
    workers: {
      readonly intake: CommandQueue<PaymentOrder>;
      readonly admission: Admission<PaymentOrder>;
      readonly changes: CommandQueue<ChangeOrder>;
    },
  ): void {
    const [reads, refunds] = [this.#reads, this.#refundReads];
    const waiting = { finalStates: this.#finalStates, refundEnds: this.#refundEnds };
    registerPaymentRoutes(app, { ...workers, ...waiting, reads });
    registerPaymentChangeRoutes(app, { ...workers, ...waiting });
    registerRefundRoutes(app, { reads, refunds });
  }
}
