/** How many cash entries a second are recorded and posted, and how long one takes: a closed loop for the ceiling, an open one for the latency. */
import { cashBook } from './load/cash-request.ts';
import { generateLoad } from './load/generator-process.ts';
import type { LoadPlan, LoadResult } from './load/load-plan.ts';
import { type Usage, UsageMeter } from './measure/usage-meter.ts';
import { type Api, forEachConcurrently } from './product/api.ts';
import { duration, line, NOT_KNOWN, sum, whole } from './report-format.ts';
import type { ScenarioContext } from './scenario.ts';

export const CASH_SCENARIOS = ['cash-entries', 'cash-open'] as const;
export type CashScenarioName = (typeof CASH_SCENARIOS)[number];

export function isCashScenario(name: string): name is CashScenarioName {
  return CASH_SCENARIOS.some((scenario) => scenario === name);
}

const CURRENCY = 'BRL';
const CONCURRENT_REQUESTS = 64;

export interface CashReport {
  readonly name: CashScenarioName;
  readonly load: LoadResult;
  readonly recordedPerSecond: number;
  readonly usage: Usage;
}

/** What exists from an earlier run on the same data is left as it is. */
export async function prepareBooks(api: Api, books: number): Promise<void> {
  const ids = Array.from({ length: books }, (_, index) => cashBook(index));
  await forEachConcurrently(ids, CONCURRENT_REQUESTS, async (id) => {
    const account = { id, kind: 'cashbook', currency: CURRENCY };
    const answer = await api.post('/v1/accounts', account, `bench-${id}`);
    if (answer.status !== 201 && answer.status !== 409)
      throw new Error(`cash book ${id} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  });
}

export async function runCashEntries(
  { pids, onProgress }: ScenarioContext,
  name: CashScenarioName,
  plan: LoadPlan,
): Promise<CashReport> {
  const meter = new UsageMeter(pids);
  onProgress(`${name}: recording`);
  const load = await generateLoad(plan, () => meter.start());
  const usage = meter.stop();
  return { name, load, recordedPerSecond: (load.acceptedInTime / load.elapsedMs) * 1000, usage };
}

/** What must hold whatever the speed. */
export function faultsOfCashEntries(reports: readonly CashReport[]): string[] {
  return reports.flatMap(({ name, load }) => faultsOfEntries(name, load));
}

export function faultsOfEntries(name: string, load: LoadResult): string[] {
  const others = sum(Object.values(load.unexpected));
  return [
    ...(load.accepted === 0 ? [`${name}: nothing was recorded`] : []),
    ...(others > 0 ? [`${name}: ${others} answers other than 201`] : []),
    ...(load.dropped > 0 ? [`${name}: ${load.dropped} requests without an answer`] : []),
  ];
}

export function renderCashEntries(reports: readonly CashReport[]): string {
  if (reports.length === 0) return '';
  const row = (label: string, value: (report: CashReport) => string): string =>
    line(label, reports.map(value));
  const cpu = (us: number | null, { load }: CashReport): string =>
    us === null || load.accepted === 0 ? NOT_KNOWN : `${(us / load.accepted).toFixed(1)} µs`;
  return [
    row('cash entries', ({ name }) => name),
    row('recorded/s', ({ recordedPerSecond }) => whole(recordedPerSecond)),
    row('refused', ({ load }) => whole(load.refused)),
    row('to the answer, p50', ({ load }) => duration(load.acceptance.p50Ms)),
    row('to the answer, p99', ({ load }) => duration(load.acceptance.p99Ms)),
    row('to the answer, max', ({ load }) => duration(load.acceptance.maxMs)),
    row('Node CPU per entry', (report) => cpu(report.usage.nodeCpuUs, report)),
    row('PostgreSQL CPU per entry', (report) => cpu(report.usage.postgresCpuUs, report)),
    row('generator CPU per entry', (report) => cpu(report.load.cpuUs, report)),
  ].join('\n');
}
