/**
 * What the card authorizer reaches: decisions a second, how long they take, what they cost. Closed loop for the ceiling, over
 * many cards and over one; open loop for the latency, alone and beside a full load of payments.
 */

import { chapterOf } from '../chapter.ts';
import { cardAccount } from '../load/card-request.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type Usage, UsageMeter } from '../measure/usage-meter.ts';
import { type Api, forEachConcurrently } from '../product/api.ts';
import { cpuEach, duration, line, sum, whole } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import type { Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

/** Beside a full load of payments, decisions a second. */
const BESIDE_PER_SECOND = { full: 500, quick: 100 } as const;
/** Cards that the decisions are spread over. */
const CARDS_SPREAD_OVER = { full: 5000, quick: 100 } as const;

/**
 * Of each balance, in minor units: enough for every request of a run over one card, so that nothing is declined for want of
 * money; and for ten thousand cards within what the account that funds them can count.
 */
const FUNDS_MINOR = 100_000_000_000;
const CURRENCY = 'BRL';
const CONCURRENT_REQUESTS = 64;
/** The network's patience (K5). */
const DEADLINE_MS = 100;

export const CARDS = chapterOf<CardReport>({
  scenarios: [
    { name: 'cards', runs: 'always', measure: (stage) => measureCards(stage, 'cards', {}) },
    { name: 'cards-hot', runs: 'always', measure: (stage) => measureCards(stage, 'cards-hot', { cards: 1 }) },
    {
      name: 'cards-open',
      runs: 'always',
      measure: (stage) => measureCards(stage, 'cards-open', { ratePerSecond: stage.options.rate }),
    },
    {
      name: 'cards-beside',
      runs: 'always',
      measure: (stage) =>
        measureCards(stage, 'cards-beside', {
          ratePerSecond: sizeOf(stage, BESIDE_PER_SECOND),
          beside: nextPlan(stage, { waitingConnections: 0 }),
        }),
    },
  ],
  faults: faultsOfCards,
  render: (reports) => [renderCards(reports)],
  record: (cards) => ({ cards }),
});

interface CardLoad {
  readonly cards?: number;
  /** Null: as many as there can be. */
  readonly ratePerSecond?: number | null;
  /** Payments under way as long as the cards are. */
  readonly beside?: LoadPlan;
}

interface CardReport {
  readonly name: string;
  readonly load: LoadResult;
  readonly decidedPerSecond: number;
  readonly usage: Usage;
  /** Of the payments beside it; undefined where there were none. */
  readonly besidePerSecond: number | undefined;
}

async function measureCards(
  stage: Stage,
  name: string,
  { cards = sizeOf(stage, CARDS_SPREAD_OVER), ratePerSecond = null, beside }: CardLoad,
): Promise<CardReport> {
  const plan = { method: 'card', wallets: cards, waitingConnections: 0 } as const;
  await prepareCards(stage.context.api, cards);
  await generateLoad(nextPlan(stage, { ...plan, durationMs: sizeOf(stage, WARM_UP_MS) }), () => undefined);
  await checkpoint(stage.serverUrl);
  return runCards(stage.context, name, { plan: nextPlan(stage, { ...plan, ratePerSecond }), beside });
}

/** What exists from an earlier run on the same data is left as it is. */
async function prepareCards(api: Api, cards: number): Promise<void> {
  const accounts = Array.from({ length: cards }, (_, index) => cardAccount(index));
  await forEachConcurrently(accounts, CONCURRENT_REQUESTS, async (account) => {
    const balances = { FOOD: FUNDS_MINOR, MEAL: FUNDS_MINOR, CASH: FUNDS_MINOR };
    const answer = await api.post('/v1/cards', { account, currency: CURRENCY, balances }, `bench-${account}`);
    if (answer.status !== 201 && answer.status !== 409)
      throw new Error(`card ${account} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  });
}

async function runCards(
  { pids, onProgress }: ScenarioContext,
  name: string,
  { plan, beside }: { readonly plan: LoadPlan; readonly beside: LoadPlan | undefined },
): Promise<CardReport> {
  const meter = new UsageMeter(pids);
  onProgress(`${name}: deciding`);
  const payments = beside === undefined ? undefined : generateLoad(beside, () => undefined);
  // Awaited below; until then a failure of it must not end the process.
  payments?.catch(() => undefined);
  const load = await generateLoad(plan, () => meter.start());
  const usage = meter.stop();
  const paid = await payments;
  return {
    name,
    load,
    decidedPerSecond: (load.acceptedInTime / load.elapsedMs) * 1000,
    usage,
    besidePerSecond: paid === undefined ? undefined : (paid.acceptedInTime / paid.elapsedMs) * 1000,
  };
}

/** What must hold whatever the speed. */
function faultsOfCards(reports: readonly CardReport[]): string[] {
  return reports.flatMap(({ name, load }) => {
    const others = sum(Object.values(load.unexpected));
    return [
      ...(load.accepted === 0 ? [`${name}: nothing was decided`] : []),
      ...(others > 0 ? [`${name}: ${others} answers other than 200`] : []),
      ...(load.dropped > 0 ? [`${name}: ${load.dropped} requests without an answer`] : []),
    ];
  });
}

function renderCards(reports: readonly CardReport[]): string {
  const row = (label: string, value: (report: CardReport) => string): string =>
    line(label, reports.map(value));
  const code = (name: string) => (report: CardReport) => whole(report.load.finalStates[name] ?? 0);
  return [
    row('card transactions', ({ name }) => name),
    row('decisions/s', ({ decidedPerSecond }) => whole(decidedPerSecond)),
    row('00', code('00')),
    row('51', code('51')),
    row('07', code('07')),
    row('to the answer, p50', ({ load }) => duration(load.acceptance.p50Ms)),
    row('to the answer, p99', ({ load }) => duration(load.acceptance.p99Ms)),
    row('to the answer, p99.9', ({ load }) => duration(load.acceptance.p999Ms)),
    row('to the answer, max', ({ load }) => duration(load.acceptance.maxMs)),
    row('payments/s beside', ({ besidePerSecond }) =>
      besidePerSecond === undefined ? '-' : whole(besidePerSecond),
    ),
    row('Node CPU per decision', (report) => cpuEach(report.usage.nodeCpuUs, report.load.accepted)),
    row('PostgreSQL CPU per decision', (report) => cpuEach(report.usage.postgresCpuUs, report.load.accepted)),
    row('generator CPU per decision', (report) => cpuEach(report.load.cpuUs, report.load.accepted)),
    `the network gives up after ${DEADLINE_MS} ms; with payments beside, CPU is of both`,
  ].join('\n');
}
