/**
 * What the card authorizer reaches: decisions a second, how long they take, what they cost. Closed loop for the ceiling, over
 * many cards and over one; open loop for the latency, alone and beside a full load of payments.
 */

import { chapterOf } from '../chapter.ts';
import type { Judgement } from '../judgement.ts';
import { cardAccount } from '../load/card-request.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan } from '../load/load-plan.ts';
import { answerRows, faultsOfLoad, unacceptedRows } from '../load-figures.ts';
import { nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type MeteredLoad, runMeteredLoad } from '../metered-load.ts';
import { type Api, forEachConcurrently } from '../product/api.ts';
import { countCompleted } from '../product/payment-ends.ts';
import { cpuEach, duration, line, whole } from '../report-format.ts';
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
/** Approved, and what a card that is well and funded may be told beside: too little money, too late. */
const CODES: ReadonlySet<string> = new Set(['00', '51', '07']);
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

export interface CardReport extends Omit<MeteredLoad, 'perSecond'> {
  readonly name: string;
  readonly decidedPerSecond: number;
  /** Of the payments beside it, with how many of those looked at have completed; undefined where there were none. */
  readonly besidePerSecond: number | undefined;
  readonly besideCompleted: number | undefined;
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
  const measured = await runMeteredLoad(stage.context, name, {
    plan: nextPlan(stage, { ...plan, ratePerSecond }),
    beside,
  });
  const { perSecond, beside: paid, ...metered } = measured;
  stage.stored += paid?.accepted ?? 0;
  return {
    ...metered,
    name,
    decidedPerSecond: perSecond,
    beside: paid,
    besidePerSecond: paid && (paid.acceptedInTime / paid.elapsedMs) * 1000,
    besideCompleted: paid && (await countCompleted(stage.context.api, paid.sampleIds)),
  };
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

/** What must hold whatever the speed. */
export function faultsOfCards(reports: readonly CardReport[], judgement: Judgement): string[] {
  return reports.flatMap(({ name, load, beside, besideCompleted = 0 }) => {
    const codes = Object.entries(load.finalStates).filter(([code]) => !CODES.has(code));
    const paid = `${name}, the payments beside`;
    const looked = beside?.sampleIds.length ?? 0;
    return [
      ...faultsOfLoad(name, load, judgement),
      ...codes.map(([code, count]) => `${name}: ${count} were decided by ${code}`),
      ...(beside === undefined ? [] : faultsOfLoad(paid, beside, judgement)),
      ...(besideCompleted < looked ? [`${paid}: of ${looked} only ${besideCompleted} completed`] : []),
    ];
  });
}

function renderCards(reports: readonly CardReport[]): string {
  const loads = reports.map(({ load }) => load);
  const row = (label: string, value: (report: CardReport) => string): string =>
    line(label, reports.map(value));
  const code = (name: string) => (report: CardReport) => whole(report.load.finalStates[name] ?? 0);
  return [
    row('card transactions', ({ name }) => name),
    row('decisions/s', ({ decidedPerSecond }) => whole(decidedPerSecond)),
    row('00', code('00')),
    row('51', code('51')),
    row('07', code('07')),
    ...unacceptedRows(loads),
    ...answerRows('to the answer', loads),
    row('payments/s beside', ({ besidePerSecond }) =>
      besidePerSecond === undefined ? '-' : whole(besidePerSecond),
    ),
    row('lag after the load', ({ lagMs }) => duration(lagMs)),
    row('Node CPU per decision', (report) => cpuEach(report.usage.nodeCpuUs, report.load.accepted)),
    row('PostgreSQL CPU per decision', (report) => cpuEach(report.usage.postgresCpuUs, report.load.accepted)),
    row('generator CPU per decision', (report) => cpuEach(report.load.cpuUs, report.load.accepted)),
    `the network gives up after ${DEADLINE_MS} ms; with payments beside, CPU is of both`,
  ].join('\n');
}
