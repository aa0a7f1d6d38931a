/** The scenarios of a run, one after the other, each by its plan. */

import {
  type CardReport,
  type CardScenarioName,
  faultsOfCards,
  isCardScenario,
  prepareCards,
  runCards,
} from './cards.ts';
import { type CashReport, faultsOfCashEntries, isCashScenario } from './cash-entries.ts';
import {
  measureCashEntries,
  measureConsolidationCost,
  measureDays,
  measureLongAccount,
} from './cash-measurements.ts';
import {
  CONSOLIDATION_SCENARIO,
  type ConsolidationCostReport,
  faultsOfConsolidationCost,
} from './consolidation-cost.ts';
import { DAYS_SCENARIO, type DaysReport, faultsOfDays } from './daily-balances.ts';
import {
  type FailoverFigures,
  type FailoverTiming,
  failoverDurationMs,
  faultsOfFailover,
  runFailover,
} from './failover.ts';
import { faultsOfBooks, GatewayMeter } from './gateway-meter.ts';
import { faultsOfHungProvider, type HungProviderReport, runHungProvider } from './hung-provider.ts';
import { DEAD, faultsOfIntegrations, type IntegrationReport, LIVE, runIntegrations } from './integrations.ts';
import { faultsOfIntegrityCost, type IntegrityCostReport, runIntegrityCost } from './integrity-cost.ts';
import { generateLoad } from './load/generator-process.ts';
import type { LoadPlan } from './load/load-plan.ts';
import { ARM_MS, nextPlan, sizeOf, WAITING_CONNECTIONS, WARM_UP_MS } from './load-plans.ts';
import { LONG_ACCOUNT_SCENARIO, type LongAccountReport } from './long-account.ts';
import { Api } from './product/api.ts';
import { createApiKey } from './product/product.ts';
import { faultsOf, runScenario, type ScenarioReport } from './scenario.ts';
import { restartProduct, type Stage } from './stage.ts';
import { faultsOfWebhooks, runWebhooks, type WebhookPlan, type WebhookReport } from './webhooks.ts';
import { checkpoint } from './yardsticks/yardstick-database.ts';

/** The lower point of the comparison by stored payments. */
const FEW_STORED = 10_000;
const COST_MS = { full: 20_000, quick: 2000 } as const;
/** Filling is bounded by its count; this is for a product that has stopped accepting. */
const FILL_TIMEOUT_MS = 6 * 3600 * 1000;
/**
 * Payments by a provider on their way at most. One takes half a second with its verdict and the watch's look at it, so
 * this lets some 4000 a second through; and whoever waits for a provider is never older than a second.
 */
const GATEWAY_UNFINISHED = { full: 2000, quick: 100 } as const;
/** Beside the load that is compared, so that there is always something to hang. */
const GATEWAY_BESIDE_PER_SECOND = { full: 100, quick: 20 } as const;
/** Payments by a provider end before the arm does, so that the last verdicts are those of the payments compared. */
const GATEWAY_BESIDE_ENDS_EARLIER_MS = 1000;
const FAILOVER: { readonly full: FailoverTiming; readonly quick: FailoverTiming } = {
  full: { beforeMs: 5000, outageMs: 20_000, afterMs: 15_000 },
  quick: { beforeMs: 3000, outageMs: 6000, afterMs: 8000 },
};

export interface CostPoint {
  readonly storedPayments: number;
  readonly scenario: ScenarioReport;
}

export interface Measurements {
  readonly scenarios: readonly ScenarioReport[];
  /** Cost of a payment at few and at many stored ones; empty unless asked for. */
  readonly costs: readonly CostPoint[];
  /** Whether providers that hang slow what needs none; undefined unless measured. */
  readonly hungProvider: HungProviderReport | undefined;
  /** What a provider that hangs does to payments by providers; undefined unless measured. */
  readonly failover: FailoverFigures | undefined;
  /** What the integrity service costs; undefined unless measured. */
  readonly integrityCost: IntegrityCostReport | undefined;
  /** What the card authorizer reaches; empty unless measured. */
  readonly cards: readonly CardReport[];
  /** What the hub reaches; undefined unless measured. */
  readonly integrations: IntegrationReport | undefined;
  /** What webhooks reach; undefined unless measured. */
  readonly webhooks: WebhookReport | undefined;
  /** How many cash entries are recorded; empty unless measured. */
  readonly cashEntries: readonly CashReport[];
  /** Whether entries notice the consolidation; undefined unless measured. */
  readonly consolidationCost: ConsolidationCostReport | undefined;
  /** What a year of an account of millions of postings takes; undefined unless measured. */
  readonly longAccount: LongAccountReport | undefined;
  /** What reports of daily balances reach; empty unless measured. */
  readonly days: readonly DaysReport[];
}

export async function measure(stage: Stage): Promise<Measurements> {
  const { options, progress } = stage;
  const { fill } = options;
  const scenarios: ScenarioReport[] = [];
  const costs: CostPoint[] = [];
  let hungProvider: HungProviderReport | undefined;
  let failover: FailoverFigures | undefined;
  let integrityCost: IntegrityCostReport | undefined;
  const cards: CardReport[] = [];
  let integrations: IntegrationReport | undefined;
  let webhooks: WebhookReport | undefined;
  const cashEntries: CashReport[] = [];
  let consolidationCost: ConsolidationCostReport | undefined;
  let longAccount: LongAccountReport | undefined;
  const days: DaysReport[] = [];
  await warmUp(stage);
  if (fill !== undefined) costs.push(await measureCost(stage, FEW_STORED));
  for (const name of options.scenarios) {
    progress.step(`measuring: ${name}`);
    if (name === 'hung-provider') hungProvider = await measureHungProvider(stage);
    else if (name === 'integrity') integrityCost = await measureIntegrityCost(stage);
    else if (isCardScenario(name)) cards.push(await measureCards(stage, name));
    else if (name === 'integrations') integrations = await measureIntegrations(stage);
    else if (name === 'webhooks') webhooks = await measureWebhooks(stage);
    else if (isCashScenario(name)) cashEntries.push(await measureCashEntries(stage, name));
    else if (name === CONSOLIDATION_SCENARIO) consolidationCost = await measureConsolidationCost(stage);
    else if (name === LONG_ACCOUNT_SCENARIO) longAccount = await measureLongAccount(stage);
    else if (name === DAYS_SCENARIO) days.push(...(await measureDays(stage)));
    else if (name === 'failover') {
      const { scenario, figures } = await measureFailover(stage);
      scenarios.push(scenario);
      failover = figures;
    } else scenarios.push(await measureScenario(stage, name));
  }
  if (fill !== undefined) costs.push(await measureCost(stage, fill));
  return {
    scenarios,
    costs,
    hungProvider,
    failover,
    integrityCost,
    cards,
    cashEntries,
    consolidationCost,
    longAccount,
    integrations,
    days,
    webhooks,
  };
}

/** What must hold of all of it; `strict`: also that nothing was refused. */
export function faultsOfMeasurements(measured: Measurements, strict: { strict: boolean }): string[] {
  const { scenarios, costs, hungProvider, failover, integrityCost, cards, cashEntries, days } = measured;
  const { integrations, webhooks, consolidationCost } = measured;
  const all = [...scenarios, ...costs.map(({ scenario }) => scenario)];
  return [
    ...all.flatMap((scenario) => faultsOf(scenario, strict)),
    ...scenarios.flatMap((scenario) => faultsOfGateway(scenario, failover)),
    ...faultsOfCards(cards),
    ...(integrations === undefined ? [] : faultsOfIntegrations(integrations)),
    ...(webhooks === undefined ? [] : faultsOfWebhooks(webhooks)),
    ...faultsOfCashEntries(cashEntries),
    ...faultsOfDays(days),
    ...(consolidationCost === undefined ? [] : faultsOfConsolidationCost(consolidationCost)),
    ...(hungProvider === undefined ? [] : faultsOfHungProvider(hungProvider)),
    ...(failover === undefined ? [] : faultsOfFailover(failover)),
    ...(integrityCost === undefined ? [] : faultsOfIntegrityCost(integrityCost)),
  ];
}

function faultsOfGateway(
  { name, gateway, completed }: ScenarioReport,
  failover: FailoverFigures | undefined,
): string[] {
  if (gateway === undefined) return [];
  if (name !== 'failover' || failover === undefined) return faultsOfBooks(name, gateway, completed);
  const { statuses, waiting } = failover;
  return faultsOfBooks(name, gateway, waiting.payments > 0 ? null : (statuses['completed'] ?? 0));
}

async function warmUp(stage: Stage): Promise<void> {
  const durationMs = sizeOf(stage, WARM_UP_MS);
  stage.progress.step('warming up');
  await load(stage, 'warm-up', { durationMs });
  if (stage.providers.length > 0)
    await load(stage, 'warm-up by providers', { ...gatewayPlan(stage), durationMs });
}

async function measureScenario(stage: Stage, name: 'uniform' | 'hot' | 'open' | 'gateway') {
  if (name === 'gateway') return measureGateway(stage);
  const { options } = stage;
  const plans: Readonly<Record<typeof name, Partial<LoadPlan>>> = {
    uniform: {},
    hot: { services: 1 },
    open: { ratePerSecond: options.rate, waitingConnections: WAITING_CONNECTIONS.open },
  };
  return load(stage, name, plans[name]);
}

/** Beside a full load of payments, decisions a second. */
const BESIDE_PER_SECOND = { full: 500, quick: 100 } as const;
/** Cards that the decisions are spread over. */
const CARDS = { full: 5000, quick: 100 } as const;

async function measureCards(stage: Stage, name: CardScenarioName): Promise<CardReport> {
  const { options, context } = stage;
  const wallets = name === 'cards-hot' ? 1 : sizeOf(stage, CARDS);
  await prepareCards(context.api, wallets);
  await generateLoad(cardPlan(stage, { wallets, durationMs: sizeOf(stage, WARM_UP_MS) }), () => undefined);
  await checkpoint(stage.serverUrl);
  const rates = { 'cards-open': options.rate, 'cards-beside': sizeOf(stage, BESIDE_PER_SECOND) };
  const ratePerSecond = name === 'cards-open' || name === 'cards-beside' ? rates[name] : null;
  const plan = cardPlan(stage, { wallets, ratePerSecond });
  const beside = name === 'cards-beside' ? nextPlan(stage, { waitingConnections: 0 }) : undefined;
  return runCards(context, name, { plan, beside });
}

function cardPlan(stage: Stage, plan: Partial<LoadPlan>): LoadPlan {
  return nextPlan(stage, { method: 'card', waitingConnections: 0, ...plan });
}

async function measureGateway(stage: Stage): Promise<ScenarioReport> {
  const meter = new GatewayMeter(stage.context.api, stage.providers);
  await meter.start();
  const report = await load(stage, 'gateway', gatewayPlan(stage));
  return { ...report, gateway: await meter.stop() };
}

function gatewayPlan(stage: Stage): Partial<LoadPlan> {
  return { method: 'gateway', maxUnfinished: sizeOf(stage, GATEWAY_UNFINISHED) };
}

async function measureHungProvider(stage: Stage): Promise<HungProviderReport> {
  const { options, context, providers } = stage;
  const armMs = sizeOf(stage, ARM_MS);
  const gatewayPerSecond = sizeOf(stage, GATEWAY_BESIDE_PER_SECOND);
  const report = await runHungProvider(context, providers, {
    pairs: options.pairs,
    armMs,
    gatewayPerSecond,
    nextPlans: () => ({
      balance: nextPlan(stage, { durationMs: armMs, waitingConnections: 0 }),
      gateway: nextPlan(stage, {
        method: 'gateway',
        durationMs: armMs - GATEWAY_BESIDE_ENDS_EARLIER_MS,
        ratePerSecond: gatewayPerSecond,
        waitingConnections: 0,
      }),
    }),
    beforeArm: () => checkpoint(stage.serverUrl),
  });
  for (const pair of report.pairs)
    for (const arm of [pair.without, pair.with]) stage.stored += arm.balanceAccepted + arm.gatewayAccepted;
  return report;
}

/** Under way at most: twice what a destination that answers in 20 ms has in a tenth of a second. */
const INTEGRATIONS_UNFINISHED = { full: 3000, quick: 200 } as const;
const DEAD_PER_SECOND = { full: 50, quick: 20 } as const;

/** In the sandbox's mode: elsewhere nothing is sent to this machine. */
async function measureIntegrations(stage: Stage): Promise<IntegrationReport> {
  const armMs = sizeOf(stage, ARM_MS);
  const deadPerSecond = sizeOf(stage, DEAD_PER_SECOND);
  await restartProduct(stage, { LASTRO_MODE: 'sandbox' });
  const plan = { method: 'integration', durationMs: armMs, waitingConnections: 0 } as const;
  const report = await runIntegrations(stage.context, {
    pairs: stage.options.pairs,
    deadPerSecond,
    nextPlans: () => ({
      live: nextPlan(stage, {
        ...plan,
        connector: LIVE,
        maxUnfinished: sizeOf(stage, INTEGRATIONS_UNFINISHED),
      }),
      dead: nextPlan(stage, { ...plan, connector: DEAD, ratePerSecond: deadPerSecond }),
    }),
    beforeArm: () => checkpoint(stage.serverUrl),
  });
  await restartProduct(stage, {});
  return report;
}

const WEBHOOKS: Readonly<Record<'full' | 'quick', Omit<WebhookPlan, 'durationMs'>>> = {
  full: { tenants: 10, endpoints: 100, hung: 10, deliveriesPerSecond: 3300 },
  quick: { tenants: 2, endpoints: 10, hung: 1, deliveriesPerSecond: 200 },
};

/** In the sandbox's mode: elsewhere nothing is sent to this machine. Each tenant has a key of its own, as everywhere. */
async function measureWebhooks(stage: Stage): Promise<WebhookReport> {
  const { options, installation } = stage;
  const plan = { ...sizeOf(stage, WEBHOOKS), durationMs: options.seconds * 1000 };
  const names = Array.from({ length: plan.tenants }, (_, index) => `bench-hooks-${index}`);
  const keys = await Promise.all(names.map((tenant) => createApiKey(installation, tenant)));
  await restartProduct(stage, { LASTRO_MODE: 'sandbox' });
  const { url } = stage.product;
  await checkpoint(stage.serverUrl);
  const report = await runWebhooks(
    stage.context,
    keys.map((key) => ({ api: new Api({ url, key }) })),
    plan,
  );
  await restartProduct(stage, {});
  stage.stored += report.payments;
  return report;
}

async function measureFailover(stage: Stage) {
  const timing = sizeOf(stage, FAILOVER);
  const ratePerSecond = stage.options.gatewayRate;
  await checkpoint(stage.serverUrl);
  const durationMs = failoverDurationMs(timing);
  // Nobody waits for final states: those that a hung provider has would hold the last answers up.
  const plan = nextPlan(stage, { method: 'gateway', durationMs, waitingConnections: 0 });
  const report = await runFailover(stage.context, stage.providers, {
    plan: { ...plan, ratePerSecond },
    timing,
  });
  stage.stored += report.scenario.load.accepted;
  return report;
}

const EVERY_SERVICE_BUT_INTEGRITY = 'payments,validation,authorization,ledger,providers,notification';

/** Afterwards the product is as it was, but for its port: providers would call back to the old one. */
async function measureIntegrityCost(stage: Stage): Promise<IntegrityCostReport> {
  const armMs = sizeOf(stage, ARM_MS);
  const durations = { 'warm-up': sizeOf(stage, WARM_UP_MS), measured: armMs };
  const report = await runIntegrityCost({
    pairs: stage.options.pairs,
    armMs,
    start: async (kind) => {
      const services = {
        LASTRO_SERVICES: `${EVERY_SERVICE_BUT_INTEGRITY}${kind === 'with' ? ',integrity' : ''}`,
      };
      await restartProduct(stage, services);
      return stage.context;
    },
    nextPlan: (part) => nextPlan(stage, { durationMs: durations[part], waitingConnections: 0 }),
    beforeLoad: () => checkpoint(stage.serverUrl),
  });
  await restartProduct(stage, {});
  for (const pair of report.pairs) for (const arm of [pair.without, pair.with]) stage.stored += arm.accepted;
  return report;
}

/** The cost of a payment when at least so many are stored. */
async function measureCost(stage: Stage, storedPayments: number): Promise<CostPoint> {
  const missing = storedPayments - stage.stored;
  if (missing > 0) {
    stage.progress.step(`storing ${missing} payments`);
    await load(stage, 'fill', { durationMs: FILL_TIMEOUT_MS, maxRequests: missing, waitingConnections: 0 });
  }
  const point = stage.stored;
  stage.progress.step(`measuring the cost of a payment at ${point} stored ones`);
  const durationMs = sizeOf(stage, COST_MS);
  return { storedPayments: point, scenario: await load(stage, `at ${point} stored`, { durationMs }) };
}

async function load(stage: Stage, name: string, plan: Partial<LoadPlan>): Promise<ScenarioReport> {
  await checkpoint(stage.serverUrl);
  const report = await runScenario(stage.context, name, nextPlan(stage, plan));
  stage.stored += report.load.accepted;
  return report;
}
