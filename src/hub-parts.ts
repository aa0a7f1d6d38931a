/** The hub's parts of a process, made with what they share with the others (parts.ts). */
import type { Clock } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { GivenUpWork } from '#platform/dead-letters/given-up.ts';
import type { Admission, CommandQueue } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { metadataTooLarge } from '#platform/http/metadata.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { Vault } from '#platform/vault/vault.ts';
import type { CardOrder, TopUpOrder } from '#services/cards/card-orders.ts';
import { TopUpBody } from '#services/cards/schemas.ts';
import type { CashEntryTerms, CashOrder } from '#services/cashflow/cash-orders.ts';
import { CashEntryBody } from '#services/cashflow/schemas.ts';
import { Hub } from '#services/hub/hub.ts';
import { HubCommands } from '#services/hub/hub-commands.ts';
import type { HubOrder } from '#services/hub/hub-orders.ts';
import { INTEGRATION_STATUSES, type Integration, isEnded } from '#services/hub/integration.ts';
import type { PaymentOrder } from '#services/payments/payment.ts';
import { REQUEST_PAYMENT } from '#services/payments/payment-intake.ts';
import { PaymentOrderBody } from '#services/payments/schemas.ts';
import type { LeasedWorker } from './leased-worker.ts';
import { reachOf, retentionMsOf } from './outbound-policy.ts';
import { placing } from './place-order.ts';
import { renderAnswer } from './problems.ts';
import type { Stops } from './stops.ts';

export interface SharedWithHub {
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly reads: ReadPool;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly observer: BatchObserver;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
  readonly payments: {
    readonly intake: CommandQueue<PaymentOrder>;
    readonly admission: Admission<PaymentOrder>;
  };
  readonly cards: CommandQueue<CardOrder>;
  readonly cash: CommandQueue<CashOrder>;
  readonly stops: Stops;
  readonly noteDestination: (destination: string, isDelivered: boolean) => void;
  readonly commandsOf: (handler: HubCommands) => CommandQueue<HubOrder>;
  readonly workerOf: <Loaded, Plan extends ConsumerPlan>(consumer: Consumer<Loaded, Plan>) => LeasedWorker;
}

export interface HubParts {
  /** What waits for ends. */
  readonly ends: { stop(): void };
  readonly letters: GivenUpWork;
  /** Where the process runs the service. */
  start(): LeasedWorker[];
  registerRoutes(app: HttpApp): void;
}

/** Its routes are there in every process, it works where it is started. */
export function openHubParts(shared: SharedWithHub): HubParts {
  const { stops, commandsOf, workerOf } = shared;
  const hub = makeHub(shared);
  stops.add(() => hub.stop());
  hub.open();
  const commands = commandsOf(new HubCommands({ renderProblem: renderAnswer }));
  return {
    ends: hub.ends,
    letters: hub.letters,
    start() {
      hub.start();
      const workers = hub.consumers.map((consumer) => workerOf(consumer));
      stops.add(() => hub.stopEvaluating());
      return workers;
    },
    registerRoutes: (app) => hub.registerRoutes(app, commands),
  };
}

function makeHub(shared: SharedWithHub): Hub {
  const { settings, metrics, logger, payments, cards, cash } = shared;
  const ended = metrics.counter({
    name: 'lastro_integrations_ended_total',
    help: 'Integrations that this process has ended, by how.',
    labels: ['status'],
    known: INTEGRATION_STATUSES.filter(isEnded).map((status) => ({ status })),
  });
  return new Hub({
    ...shared,
    reader: shared.reads,
    random: Math.random,
    batchMax: settings.batchMax,
    retentionMs: retentionMsOf(settings),
    reach: reachOf(settings),
    hooksPerSecond: settings.rateLimitPerSecond,
    orders: {
      payment: placing({
        prefix: 'pay',
        operation: REQUEST_PAYMENT,
        schema: PaymentOrderBody,
        orderOf: (body) => body as PaymentOrder,
        misfit: ({ metadata }) => metadataTooLarge(metadata),
        queue: payments.intake,
        obstacle: (command) => payments.admission.obstacle(command) !== undefined,
      }),
      card_top_up: placing<CardOrder>({
        prefix: 'ctu',
        operation: 'cards.top_up',
        schema: TOP_UP,
        orderOf: (body) => ({ operation: 'cards.top_up', ...(body as Omit<TopUpOrder, 'operation'>) }),
        queue: cards,
        obstacle: () => false,
      }),
      cash_entry: placing<CashOrder>({
        prefix: 'cen',
        operation: 'cash_entries.create',
        schema: CashEntryBody,
        orderOf: (body) => ({ operation: 'cash_entries.create', ...(body as CashEntryTerms) }),
        queue: cash,
        obstacle: () => false,
      }),
    },
    onEnded(integration) {
      ended.with({ status: integration.status }).inc();
      logEnd(logger, integration);
    },
  });
}

/** One id finds every line (U17). What a destination has said stays in the integration. */
function logEnd(logger: Logger, { uuid, connector, status, failure, correlationId }: Integration): void {
  const line = {
    correlation_id: correlationId,
    integration: idOf('int', uuid),
    connector,
    status,
    ...(failure === null ? {} : { code: failure.code }),
  };
  logger[status === 'delivered' ? 'debug' : 'info'](line, 'an integration has ended');
}

/** As its route takes it, with the account in the body. */
const TOP_UP = {
  type: 'object',
  additionalProperties: false,
  required: ['account', 'balances'],
  properties: {
    account: { type: 'string', minLength: 1, maxLength: 64 },
    balances: TopUpBody.properties.balances,
  },
};
