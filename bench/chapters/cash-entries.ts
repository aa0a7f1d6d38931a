/** How many cash entries a second are recorded and posted, and how long one takes: a closed loop for the ceiling, an open one for the latency. */

import { chapterOf } from '../chapter.ts';
import { cashBook } from '../load/cash-request.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan } from '../load/load-plan.ts';
import { answerRows, faultsOfLoad, unacceptedRows } from '../load-figures.ts';
import { nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type MeteredLoad, runMeteredLoad } from '../metered-load.ts';
import { type Api, forEachConcurrently } from '../product/api.ts';
import { cpuEach, duration, line, whole } from '../report-format.ts';
import type { Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

const CURRENCY = 'BRL';
const CONCURRENT_REQUESTS = 64;

/** Cash books that entries are spread over: of merchants, not of their customers. */
const BOOKS = { full: 1000, quick: 50 } as const;

export const CASH_ENTRIES = chapterOf<CashReport>({
  scenarios: [
    { name: 'cash-entries', runs: 'always', measure: (stage) => measureEntries(stage, 'cash-entries', null) },
    {
      name: 'cash-open',
      runs: 'always',
      measure: (stage) => measureEntries(stage, 'cash-open', stage.options.rate),
    },
  ],
  faults: (reports, judgement) => reports.flatMap(({ name, load }) => faultsOfLoad(name, load, judgement)),
  render: (reports) => [renderCashEntries(reports)],
  record: (cashEntries) => ({ cashEntries }),
});

interface CashReport extends Omit<MeteredLoad, 'perSecond' | 'beside'> {
  readonly name: string;
  readonly recordedPerSecond: number;
}

async function measureEntries(stage: Stage, name: string, ratePerSecond: number | null): Promise<CashReport> {
  const plan = await prepareEntries(stage);
  await generateLoad(nextPlan(stage, { ...plan, durationMs: sizeOf(stage, WARM_UP_MS) }), () => undefined);
  await checkpoint(stage.serverUrl);
  const measured = await runMeteredLoad(stage.context, name, {
    plan: nextPlan(stage, { ...plan, ratePerSecond }),
  });
  const { load, perSecond, lagMs, usage } = measured;
  return { name, load, recordedPerSecond: perSecond, lagMs, usage };
}

/** What the loads of entries have in common, the books being there. */
export async function prepareEntries(stage: Stage): Promise<Partial<LoadPlan>> {
  const books = sizeOf(stage, BOOKS);
  await prepareBooks(stage.context.api, books);
  return { method: 'cash', wallets: books, waitingConnections: 0 };
}

/** What exists from an earlier run on the same data is left as it is. */
async function prepareBooks(api: Api, books: number): Promise<void> {
  const ids = Array.from({ length: books }, (_, index) => cashBook(index));
  await forEachConcurrently(ids, CONCURRENT_REQUESTS, async (id) => {
    const account = { id, kind: 'cashbook', currency: CURRENCY };
    const answer = await api.post('/v1/accounts', account, `bench-${id}`);
    if (answer.status !== 201 && answer.status !== 409)
      throw new Error(`cash book ${id} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  });
}

function renderCashEntries(reports: readonly CashReport[]): string {
  const loads = reports.map(({ load }) => load);
  const row = (label: string, value: (report: CashReport) => string): string =>
    line(label, reports.map(value));
  return [
    row('cash entries', ({ name }) => name),
    row('recorded/s', ({ recordedPerSecond }) => whole(recordedPerSecond)),
    ...unacceptedRows(loads),
    ...answerRows('to the answer', loads),
    row('lag after the load', ({ lagMs }) => duration(lagMs)),
    row('Node CPU per entry', (report) => cpuEach(report.usage.nodeCpuUs, report.load.accepted)),
    row('PostgreSQL CPU per entry', (report) => cpuEach(report.usage.postgresCpuUs, report.load.accepted)),
    row('generator CPU per entry', (report) => cpuEach(report.load.cpuUs, report.load.accepted)),
  ].join('\n');
}
