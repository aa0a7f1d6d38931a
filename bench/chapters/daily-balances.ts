/**
 * What reports of daily balances reach: a year of an account, read at two rates and as fast as it goes, while entries are
 * written; and how long an entry takes to be in its day. The accounts that are reported have moved on every day of the year,
 * and the entries go to them: nothing stays as it was for longer than a commit of the consolidation. Once more as fast as it
 * goes, from all wallets: far more than are kept in memory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { chapterOf } from '../chapter.ts';
import type { Judgement } from '../judgement.ts';
import { generateLoad } from '../load/generator-process.ts';
import { type DurationSummary, Histogram } from '../load/histogram.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { CURRENCY, walletId } from '../load/payment-request.ts';
import { answerRows, faultsOfLoad, unacceptedRows } from '../load-figures.ts';
import { nextPlan, sizeOf } from '../load-plans.ts';
import { type Usage, UsageMeter } from '../measure/usage-meter.ts';
import { FUNDING_ACCOUNT } from '../product/accounts.ts';
import type { Api } from '../product/api.ts';
import { duration, line, NOT_KNOWN, percent, sum, whole } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import type { Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

const NAME = 'daily-balances';
/** Wallets that move on every day of the year: as many as are reported again and again while a commit is made. */
const REPORTED = { full: 200, quick: 10 } as const;

/** `ratePerSecond` null: as many reports as there can be. `of`: whose. */
const REPORT_LOADS = [
  { ratePerSecond: 50, of: 'moving' },
  { ratePerSecond: 1000, of: 'moving' },
  { ratePerSecond: null, of: 'moving' },
  { ratePerSecond: null, of: 'all' },
] as const;
type ReportLoad = (typeof REPORT_LOADS)[number];

const DAY_MS = 86_400_000;
const YEAR_DAYS = 365;
/** In every zone, by the hour after which days are sealed. */
const OVER_EVERYWHERE_DAYS = 3;
const SEALED_LOOK_MS = 200;
/** Some thousand days a second. */
const SEALED_TIMEOUT_MS = 300_000;

const PROBES = 4;
const PROBE_PAUSE_MS = 100;
const PROBE_LOOK_MS = 20;
/** An entry that is not in its day by then is lost. */
const PROBE_PATIENCE_MS = 30_000;
const BOOKS = ['bench-book-a', 'bench-book-b'] as const;

interface DaysReport {
  readonly asked: ReportLoad;
  readonly reports: LoadResult;
  readonly reportsPerSecond: number;
  readonly entries: LoadResult;
  readonly entriesPerSecond: number;
  /** From an entry's 201 to the report that has it. */
  readonly lag: DurationSummary;
  readonly usage: Usage;
}

/** A measurement has a report of each load. */
export const DAILY_BALANCES = chapterOf<readonly DaysReport[]>({
  scenarios: [{ name: NAME, runs: 'always', measure: measureDays }],
  faults: (measured, judgement) => faultsOfDays(measured.flat(), judgement),
  render: (measured) => [renderDays(measured.flat())],
  record: (measured) => ({ days: measured.flat() }),
});

/** Each beside as many entries as the open loops have. */
async function measureDays(stage: Stage): Promise<DaysReport[]> {
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

/** What exists from an earlier run on the same data is left as it is. */
async function prepareReports(api: Api, wallets: number): Promise<void> {
  for (const id of probeBooks().flat()) {
    const body = { id, kind: 'cashbook', currency: CURRENCY, time_zone: 'UTC' };
    const { status } = await api.post('/v1/accounts', body, `bench-open-${id}`);
    if (status !== 201 && status !== 409) throw new Error(`account ${id} was answered ${status}`);
  }
  // One behind the other, as years go by: an earlier day moves all that are behind it.
  for (let back = YEAR_DAYS; back >= OVER_EVERYWHERE_DAYS; back--) await moveOn(api, dayBack(back), wallets);
  const deadline = performance.now() + SEALED_TIMEOUT_MS;
  while (!(await isSealed(api, walletId(wallets - 1)))) {
    if (performance.now() > deadline) throw new Error('the days of the year are not sealed');
    await delay(SEALED_LOOK_MS);
  }
}

function probeBooks(): (readonly [string, string])[] {
  return Array.from(
    { length: PROBES },
    (_, probe) => [`${BOOKS[0]}-${probe}`, `${BOOKS[1]}-${probe}`] as const,
  );
}

function dayBack(days: number): string {
  return new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
}

/** An entry that counts for the day, to each wallet. */
async function moveOn(api: Api, day: string, wallets: number): Promise<void> {
  const postings = [
    { account_id: FUNDING_ACCOUNT, direction: 'debit', amount: wallets },
    ...Array.from({ length: wallets }, (_, index) => {
      return { account_id: walletId(index), direction: 'credit', amount: 1 };
    }),
  ];
  const body = { postings, effective_on: day };
  const { status } = await api.post('/v1/journal-entries', body, `bench-year-${day}-${wallets}`);
  if (status !== 201) throw new Error(`an entry of ${day} was answered ${status}`);
}

/** Until all days of the last account are, sealing changes what reports say. */
async function isSealed(api: Api, account: string): Promise<boolean> {
  const range = `from=${dayBack(YEAR_DAYS)}&to=${dayBack(OVER_EVERYWHERE_DAYS)}`;
  const { status, body } = await api.get(`/v1/accounts/${account}/daily-balances?${range}`);
  if (status !== 200) throw new Error(`a report was answered ${status}`);
  return (body as { data: readonly { sealed: boolean }[] }).data.every(({ sealed }) => sealed);
}

async function runDailyBalances(
  { api, pids, onProgress }: ScenarioContext,
  asked: ReportLoad,
  { reports, entries }: { readonly reports: LoadPlan; readonly entries: LoadPlan },
): Promise<DaysReport> {
  const meter = new UsageMeter(pids);
  onProgress(`${NAME}: ${nameOf(asked)}`);
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
    asked,
    reports: read,
    reportsPerSecond: (read.acceptedInTime / read.elapsedMs) * 1000,
    entries: wrote,
    entriesPerSecond: (wrote.acceptedInTime / wrote.elapsedMs) * 1000,
    lag,
    usage,
  };
}

async function probeLag(api: Api, signal: AbortSignal): Promise<DurationSummary> {
  const lag = new Histogram();
  await Promise.all(probeBooks().map((books) => probeBook(api, books, { signal, lag })));
  return lag.summary();
}

/** One entry after the other, each looked for until it is there. */
async function probeBook(
  api: Api,
  [from, to]: readonly [string, string],
  { signal, lag }: { readonly signal: AbortSignal; readonly lag: Histogram },
): Promise<void> {
  while (!signal.aborted) {
    const before = await countToday(api, to);
    const postings = [
      { account_id: from, direction: 'debit', amount: 1 },
      { account_id: to, direction: 'credit', amount: 1 },
    ];
    const { status } = await api.post('/v1/journal-entries', { postings }, crypto.randomUUID());
    if (status !== 201) throw new Error(`an entry was answered ${status}`);
    const postedAt = performance.now();
    while ((await countToday(api, to)) <= before) {
      if (performance.now() - postedAt > PROBE_PATIENCE_MS) throw new Error('an entry is not in its day');
      await delay(PROBE_LOOK_MS);
    }
    lag.record(performance.now() - postedAt);
    await delay(PROBE_PAUSE_MS);
  }
}

/** Of yesterday and today: a run may pass midnight. */
async function countToday(api: Api, account: string): Promise<number> {
  const { status, body } = await api.get(
    `/v1/accounts/${account}/daily-balances?from=${dayBack(1)}&to=${dayBack(0)}`,
  );
  if (status !== 200) throw new Error(`a report was answered ${status}`);
  const { data } = body as { data: readonly { count: number }[] };
  return sum(data.map(({ count }) => count));
}

/** What must hold whatever the speed: nothing is lost; and at a rate nothing is refused. */
function faultsOfDays(reports: readonly DaysReport[], judgement: Judgement): string[] {
  return reports.flatMap(({ asked, reports: read, entries }) =>
    [
      { load: read, what: 'reports' },
      { load: entries, what: 'entries' },
    ].flatMap(({ load, what }) => {
      const at = `${NAME} at ${nameOf(asked)}, ${what}`;
      const isRefused = asked.ratePerSecond !== null && load.refused > 0 && !judgement.strict;
      return [
        ...faultsOfLoad(at, load, judgement),
        ...(isRefused ? [`${at}: ${load.refused} were refused`] : []),
      ];
    }),
  );
}

function renderDays(reports: readonly DaysReport[]): string {
  const reads = reports.map((report) => report.reports);
  const row = (label: string, value: (report: DaysReport) => string): string =>
    line(label, reports.map(value));
  return [
    row('daily balances', ({ asked }) => nameOf(asked)),
    row('reports/s', ({ reportsPerSecond }) => whole(reportsPerSecond)),
    ...unacceptedRows(reads),
    ...answerRows('to the answer', reads),
    row('entries/s beside', ({ entriesPerSecond }) => whole(entriesPerSecond)),
    ...unacceptedRows(
      reports.map(({ entries }) => entries),
      'entries: ',
    ),
    row('entry, p99', ({ entries: { acceptance } }) => duration(acceptance.p99Ms)),
    row('entry to its day, p50', ({ lag }) => duration(lag.p50Ms)),
    row('entry to its day, p99', ({ lag }) => duration(lag.p99Ms)),
    row('entry to its day, max', ({ lag }) => duration(lag.maxMs)),
    row('Node, of a core', (report) => ofACore(report, report.usage.nodeCpuUs)),
    row('PostgreSQL, of a core', (report) => ofACore(report, report.usage.postgresCpuUs)),
    row('generator of reports, of a core', (report) => ofACore(report, report.reports.cpuUs)),
  ].join('\n');
}

function nameOf({ ratePerSecond, of }: ReportLoad): string {
  return ratePerSecond === null ? `most, ${of}` : `${ratePerSecond}/s`;
}

function ofACore({ reports }: DaysReport, us: number | null): string {
  return us === null ? NOT_KNOWN : percent(us / 1000 / reports.elapsedMs);
}
