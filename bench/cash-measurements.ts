/** The scenarios about cash entries and days, each by its plan. */
import { type CashReport, type CashScenarioName, prepareBooks, runCashEntries } from './cash-entries.ts';
import { type ConsolidationCostReport, runConsolidationCost } from './consolidation-cost.ts';
import { type DaysReport, prepareReports, REPORT_LOADS, runDailyBalances } from './daily-balances.ts';
import { generateLoad } from './load/generator-process.ts';
import { ARM_MS, nextPlan, sizeOf, WARM_UP_MS } from './load-plans.ts';
import { type LongAccountReport, runLongAccount } from './long-account.ts';
import { restartProduct, type Stage } from './stage.ts';
import { checkpoint } from './yardsticks/yardstick-database.ts';

/** Wallets that move on every day of the year: as many as are reported again and again while a commit is made. */
const REPORTED = { full: 200, quick: 10 } as const;

/** Each beside as many entries as the open loops have. */
export async function measureDays(stage: Stage): Promise<DaysReport[]> {
  const { options, context } = stage;
  const moving = sizeOf(stage, REPORTED);
  await prepareReports(context.api, moving);
  const measured: DaysReport[] = [];
  for (const asked of REPORT_LOADS) {
    await checkpoint(stage.serverUrl);
    const wallets = asked.of === 'moving' ? moving : options.wallets;
    const plan = { wallets, waitingConnections: 0 };
    const reports = nextPlan(stage, { ...plan, method: 'report', ratePerSecond: asked.ratePerSecond });
    const entries = nextPlan(stage, { ...plan, method: 'entry', ratePerSecond: options.rate });
    measured.push(await runDailyBalances(context, asked, { reports, entries }));
  }
  return measured;
}

/** Cash books that entries are spread over: of merchants, not of their customers. */
const BOOKS = { full: 1000, quick: 50 } as const;

export async function measureCashEntries(stage: Stage, name: CashScenarioName): Promise<CashReport> {
  const { options, context } = stage;
  const cash = { method: 'cash', wallets: sizeOf(stage, BOOKS), waitingConnections: 0 } as const;
  await prepareBooks(context.api, cash.wallets);
  await generateLoad(nextPlan(stage, { ...cash, durationMs: sizeOf(stage, WARM_UP_MS) }), () => undefined);
  await checkpoint(stage.serverUrl);
  const ratePerSecond = name === 'cash-open' ? options.rate : null;
  return runCashEntries(context, name, nextPlan(stage, { ...cash, ratePerSecond }));
}

const EVERY_SERVICE_BUT_CONSOLIDATION =
  'payments,validation,authorization,ledger,providers,notification,integrity,cards,hub,cashflow';

export async function measureConsolidationCost(stage: Stage): Promise<ConsolidationCostReport> {
  const durations = { 'warm-up': sizeOf(stage, WARM_UP_MS), measured: sizeOf(stage, ARM_MS) };
  const cash = { method: 'cash', wallets: sizeOf(stage, BOOKS), waitingConnections: 0 } as const;
  const ratePerSecond = stage.options.rate;
  await prepareBooks(stage.context.api, cash.wallets);
  const report = await runConsolidationCost({
    pairs: stage.options.pairs,
    start: async (kind) => {
      const more = kind === 'with' ? ',consolidation' : '';
      await restartProduct(stage, { LASTRO_SERVICES: `${EVERY_SERVICE_BUT_CONSOLIDATION}${more}` });
      return stage.context;
    },
    nextPlan: (part) => nextPlan(stage, { ...cash, ratePerSecond, durationMs: durations[part] }),
    beforeLoad: () => checkpoint(stage.serverUrl),
  });
  await restartProduct(stage, {});
  return report;
}

const LONG_POSTINGS = { full: 10_000_000, quick: 100_000 } as const;

/** Without integrity, which would put right what has no event. */
export async function measureLongAccount(stage: Stage): Promise<LongAccountReport> {
  await restartProduct(stage, { LASTRO_SERVICES: 'payments,validation,authorization,ledger,consolidation' });
  const { api } = stage.context;
  const report = await runLongAccount({ api, serverUrl: stage.serverUrl }, sizeOf(stage, LONG_POSTINGS));
  await restartProduct(stage, {});
  return report;
}
