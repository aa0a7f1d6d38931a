/**
 * What reports of daily balances reach: a year of an account, read at two rates and as fast as it goes, while entries are
 * written; and how long an entry takes to be in its day.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { generateLoad } from './load/generator-process.ts';
import { type DurationSummary, Histogram } from './load/histogram.ts';
import type { LoadPlan, LoadResult } from './load/load-plan.ts';
import { CURRENCY } from './load/payment-request.ts';
import { type Usage, UsageMeter } from './measure/usage-meter.ts';
import type { Api } from './product/api.ts';
import { duration, line, sum, whole } from './report-format.ts';
import type { ScenarioContext } from './scenario.ts';

export const DAYS_SCENARIO = 'daily-balances';

/** Reports a second; null: as many as there can be. */
export const REPORT_RATES = [50, 1000, null] as const;

const PROBE_PAUSE_MS = 100;
const PROBE_LOOK_MS = 5;
/** An entry that is not in its day by then is lost. */
const PROBE_PATIENCE_MS = 30_000;
const BOOKS = ['bench-book-a', 'bench-book-b'] as const;

export interface DaysReport {
  readonly ratePerSecond: number | null;
  readonly reports: LoadResult;
  readonly reportsPerSecond: number;
  readonly entries: LoadResult;
  readonly entriesPerSecond: number;
  /** From an entry's 201 to the report that has it. */
  readonly lag: DurationSummary;
  readonly usage: Usage;
}

/** What exists from an earlier run on the same data is left as it is. */
export async function prepareReportBooks(api: Api): Promise<void> {
  for (const id of BOOKS) {
    const body = { id, kind: 'cashbook', currency: CURRENCY, time_zone: 'UTC' };
    const { status } = await api.post('/v1/accounts', body, `bench-open-${id}`);
    if (status !== 201 && status !== 409) throw new Error(`account ${id} was answered ${status}`);
  }
}

export async function runDailyBalances(
  { api, pids, onProgress }: ScenarioContext,
  { reports, entries }: { readonly reports: LoadPlan; readonly entries: LoadPlan },
): Promise<DaysReport> {
  const meter = new UsageMeter(pids);
  onProgress(`${DAYS_SCENARIO}: ${reports.ratePerSecond ?? 'as many as there can be'} reports a second`);
  const end = new AbortController();
  const written = generateLoad(entries, () => undefined);
  const probed = probeLag(api, end.signal);
  // Awaited below; until then a failure of them must not end the process.
  for (const beside of [written, probed]) beside.catch(() => undefined);
  const read = await generateLoad(reports, () => meter.start());
  const usage = meter.stop();
  end.abort();
  const [wrote, lag] = await Promise.all([written, probed]);
  return {
    ratePerSecond: reports.ratePerSecond,
    reports: read,
    reportsPerSecond: (read.acceptedInTime / read.elapsedMs) * 1000,
    entries: wrote,
    entriesPerSecond: (wrote.acceptedInTime / wrote.elapsedMs) * 1000,
    lag,
    usage,
  };
}

/** One entry after the other, each looked for until it is there. */
async function probeLag(api: Api, signal: AbortSignal): Promise<DurationSummary> {
  const lag = new Histogram();
  while (!signal.aborted) {
    const before = await countToday(api);
    const [from, to] = BOOKS;
    const postings = [
      { account_id: from, direction: 'debit', amount: 1 },
      { account_id: to, direction: 'credit', amount: 1 },
    ];
    const { status } = await api.post('/v1/journal-entries', { postings }, crypto.randomUUID());
    if (status !== 201) throw new Error(`an entry was answered ${status}`);
    const postedAt = performance.now();
    while ((await countToday(api)) <= before) {
      if (performance.now() - postedAt > PROBE_PATIENCE_MS) throw new Error('an entry is not in its day');
      await delay(PROBE_LOOK_MS);
    }
    lag.record(performance.now() - postedAt);
    await delay(PROBE_PAUSE_MS);
  }
  return lag.summary();
}

/** Of yesterday and today: a run may pass midnight. */
async function countToday(api: Api): Promise<number> {
  const day = (back: number): string => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  const { status, body } = await api.get(
    `/v1/accounts/${BOOKS[1]}/daily-balances?from=${day(1)}&to=${day(0)}`,
  );
  if (status !== 200) throw new Error(`a report was answered ${status}`);
  const { data } = body as { data: readonly { count: number }[] };
  return sum(data.map(({ count }) => count));
}

/** What must hold whatever the speed: nothing is lost. */
export function faultsOfDays(reports: readonly DaysReport[]): string[] {
  return reports.flatMap(({ ratePerSecond, reports: read, entries }) =>
    [
      { load: read, what: 'reports' },
      { load: entries, what: 'entries' },
    ].flatMap(({ load, what }) => {
      const at = `${DAYS_SCENARIO} at ${ratePerSecond ?? 'saturation'}, ${what}`;
      const others = sum(Object.values(load.unexpected));
      return [
        ...(load.accepted === 0 ? [`${at}: none was answered`] : []),
        ...(others > 0 ? [`${at}: ${others} answers other than success`] : []),
        ...(load.refused > 0 && ratePerSecond !== null ? [`${at}: ${load.refused} were refused`] : []),
        ...(load.dropped > 0 ? [`${at}: ${load.dropped} without an answer`] : []),
      ];
    }),
  );
}

export function renderDays(reports: readonly DaysReport[]): string {
  if (reports.length === 0) return '';
  const row = (label: string, value: (report: DaysReport) => string): string =>
    line(label, reports.map(value));
  return [
    row('daily balances', ({ ratePerSecond }) => (ratePerSecond === null ? 'ceiling' : `${ratePerSecond}/s`)),
    row('reports/s', ({ reportsPerSecond }) => whole(reportsPerSecond)),
    row('to the answer, p50', ({ reports: { acceptance } }) => duration(acceptance.p50Ms)),
    row('to the answer, p99', ({ reports: { acceptance } }) => duration(acceptance.p99Ms)),
    row('to the answer, max', ({ reports: { acceptance } }) => duration(acceptance.maxMs)),
    row('entries/s beside', ({ entriesPerSecond }) => whole(entriesPerSecond)),
    row('entry, p99', ({ entries: { acceptance } }) => duration(acceptance.p99Ms)),
    row('entry to its day, p50', ({ lag }) => duration(lag.p50Ms)),
    row('entry to its day, p99', ({ lag }) => duration(lag.p99Ms)),
    row('entry to its day, max', ({ lag }) => duration(lag.maxMs)),
  ].join('\n');
}
