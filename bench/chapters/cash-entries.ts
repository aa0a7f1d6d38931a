/** How many cash entries a second are recorded and posted, and how long one takes: a closed loop for the ceiling, an open one for the latency. */

import { chapterOf } from '../chapter.ts';
import { cashBook } from '../load/cash-request.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type Usage, UsageMeter } from '../measure/usage-meter.ts';
import { type Api, forEachConcurrently } from '../product/api.ts';
import { cpuEach, duration, line, sum, whole } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
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
  faults: (reports) => reports.flatMap(({ name, load }) => faultsOfEntries(name, load)),
  render: (reports) => [renderCashEntries(reports)],
  record: (cashEntries) => ({ cashEntries }),
});

interface CashReport {
  readonly name: string;
  readonly load: LoadResult;
  readonly recordedPerSecond: number;
  readonly usage: Usage;
}

async function measureEntries(stage: Stage, name: string, ratePerSecond: number | null): Promise<CashReport> {
  const plan = await prepareEntries(stage);
  await generateLoad(nextPlan(stage, { ...plan, durationMs: sizeOf(stage, WARM_UP_MS) }), () => undefined);
  await checkpoint(stage.serverUrl);
  return runCashEntries(stage.context, name, nextPlan(stage, { ...plan, ratePerSecond }));
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

async function runCashEntries(
  { pids, onProgress }: ScenarioContext,
  name: string,
  plan: LoadPlan,
): Promise<CashReport> {
  const meter = new UsageMeter(pids);
  onProgress(`${name}: recording`);
  const load = await generateLoad(plan, () => meter.start());
  const usage = meter.stop();
  return { name, load, recordedPerSecond: (load.acceptedInTime / load.elapsedMs) * 1000, usage };
}

/** What must hold whatever the speed. */
export function faultsOfEntries(name: string, load: LoadResult): string[] {
  const others = sum(Object.values(load.unexpected));
  return [
    ...(load.accepted === 0 ? [`${name}: nothing was recorded`] : []),
    ...(others > 0 ? [`${name}: ${others} answers other than 201`] : []),
    ...(load.dropped > 0 ? [`${name}: ${load.dropped} requests without an answer`] : []),
  ];
}

function renderCashEntries(reports: readonly CashReport[]): string {
  const row = (label: string, value: (report: CashReport) => string): string =>
    line(label, reports.map(value));
  return [
    row('cash entries', ({ name }) => name),
    row('recorded/s', ({ recordedPerSecond }) => whole(recordedPerSecond)),
    row('refused', ({ load }) => whole(load.refused)),
    row('to the answer, p50', ({ load }) => duration(load.acceptance.p50Ms)),
    row('to the answer, p99', ({ load }) => duration(load.acceptance.p99Ms)),
    row('to the answer, max', ({ load }) => duration(load.acceptance.maxMs)),
    row('Node CPU per entry', (report) => cpuEach(report.usage.nodeCpuUs, report.load.accepted)),
    row('PostgreSQL CPU per entry', (report) => cpuEach(report.usage.postgresCpuUs, report.load.accepted)),
    row('generator CPU per entry', (report) => cpuEach(report.load.cpuUs, report.load.accepted)),
  ].join('\n');
}
