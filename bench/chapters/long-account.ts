/**
 * A year of an account with ten million postings over five years. They are written by plain SQL, as the ledger and the
 * consolidation would have left them, and taken away again, so that `verify` finds nothing of them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { chapterOf, oneOrAll } from '../chapter.ts';
import { type DurationSummary, Histogram } from '../load/histogram.ts';
import { CURRENCY } from '../load/payment-request.ts';
import { sizeOf } from '../load-plans.ts';
import type { Api } from '../product/api.ts';
import { duration, line, whole } from '../report-format.ts';
import { restartProduct, type Stage } from '../stage.ts';

const POSTINGS = { full: 10_000_000, quick: 100_000 } as const;
const ACCOUNT = 'bench-long';
const YEARS = 5;
const YEAR_DAYS = 365;
const DAY_MS = 86_400_000;
/** Ranges that begin a day later each: none is in memory yet. */
const READS = 1000;
const KNOWN_POLL_MS = 100;
const KNOWN_TIMEOUT_MS = 30_000;

interface LongAccountReport {
  readonly postings: number;
  /** Of the account, in the consolidation's table. */
  readonly days: number;
  /** Of a year that was not asked for before. */
  readonly reads: DurationSummary;
}

/** It fills the disk. */
export const LONG_ACCOUNT = chapterOf<LongAccountReport>({
  scenarios: [{ name: 'long-account', runs: 'named', measure: measureLongAccount }],
  faults: () => [],
  render: (reports) => reports.map(renderLongAccount),
  record: (reports) => ({ longAccount: oneOrAll(reports) }),
});

/** Without integrity, which would put right what has no event. */
async function measureLongAccount(stage: Stage): Promise<LongAccountReport> {
  await restartProduct(stage, { LASTRO_SERVICES: 'payments,validation,authorization,ledger,consolidation' });
  const { api } = stage.context;
  const report = await runLongAccount({ api, serverUrl: stage.serverUrl }, sizeOf(stage, POSTINGS));
  await restartProduct(stage, {});
  return report;
}

async function runLongAccount(
  { api, serverUrl }: { readonly api: Api; readonly serverUrl: string },
  postings: number,
): Promise<LongAccountReport> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await openAccount(api, client);
    const months = await addMonths(client);
    try {
      return { postings, days: await fill(client, postings), reads: await readYears(api) };
    } finally {
      await clear(client, months);
    }
  } finally {
    await client.end();
  }
}

/** Of the first day, and of the one behind the last: whole months, whose tables can be dropped again. */
const UP_TO = `date_trunc('month', now() at time zone 'UTC')`;
const FROM = `${UP_TO} - interval '${YEARS} years'`;
const MONTHS = `generate_series(${FROM}, ${UP_TO} - interval '1 month', interval '1 month') as month`;
const KEY = `(select key from ledger.accounts where tenant = 'bench' and id = '${ACCOUNT}')`;
const DAYS_KEY = `(select key from consolidation.accounts where tenant = 'bench' and id = '${ACCOUNT}' and time_zone is not null)`;

async function openAccount(api: Api, client: pg.Client): Promise<void> {
  const body = { id: ACCOUNT, kind: 'cashbook', currency: CURRENCY, time_zone: 'UTC' };
  const { status } = await api.post('/v1/accounts', body, `bench-open-${ACCOUNT}`);
  if (status !== 201 && status !== 409) throw new Error(`account ${ACCOUNT} was answered ${status}`);
  const deadline = performance.now() + KNOWN_TIMEOUT_MS;
  for (;;) {
    const { rows } = await client.query<{ key: string | null }>(`select ${DAYS_KEY} as key`);
    if (rows[0]?.key !== null) return;
    if (performance.now() > deadline) throw new Error('the consolidation has not heard of the account');
    await delay(KNOWN_POLL_MS);
  }
}

/** The tables that were made: on data of somebody's own there are some already, and what is in those is not ours. */
export async function addMonths(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ table: string; is_new: boolean }>(
    `select 'ledger.postings_' || to_char(month, 'YYYYMM') as table, ledger.add_posting_month(month::date) as is_new from ${MONTHS}`,
  );
  return rows.filter(({ is_new }) => is_new).map(({ table }) => table);
}

/** How many days have a row. */
export async function fill(client: pg.Client, postings: number): Promise<number> {
  await client.query(
    `insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
     select ${KEY}, ((${FROM}) + (${UP_TO} - (${FROM})) * ((n - 1)::float8 / $1::bigint)) at time zone 'UTC', n, gen_random_uuid(), 1, n
     from generate_series(1, $1::bigint) n`,
    [postings],
  );
  const { rowCount } = await client.query(
    `insert into consolidation.days
       (account_key, day, version, opening, credits, debits, count, closing, hash, cause, as_of, sealed_at)
     select ${DAYS_KEY}, (posted_at at time zone 'UTC')::date, 1, min(sequence) - 1, count(*), 0, count(*), max(sequence),
            sha256(''), 'ledger/0/1', now(), now()
     from ledger.postings where account_key = ${KEY} group by 2`,
  );
  await client.query(
    `insert into consolidation.standings (account_key, sequence, last_day, change)
     select ${DAYS_KEY}, $1::bigint, (${UP_TO} - interval '1 day')::date, nextval('consolidation.changes')`,
    [postings],
  );
  await client.query('analyze ledger.postings, consolidation.days');
  return rowCount ?? 0;
}

/** `months`: the tables that only these postings are in. */
export async function clear(client: pg.Client, months: readonly string[]): Promise<void> {
  await client.query(`delete from consolidation.days where account_key = ${DAYS_KEY}`);
  await client.query(`delete from consolidation.standings where account_key = ${DAYS_KEY}`);
  for (const table of months) await client.query(`drop table ${table}`);
  await client.query(`delete from ledger.postings where account_key = ${KEY}`);
}

async function readYears(api: Api): Promise<DurationSummary> {
  const reads = new Histogram();
  for (let read = 0; read < READS; read++) {
    const from = Date.now() - YEARS * YEAR_DAYS * DAY_MS + read * DAY_MS;
    const range = `from=${dateOf(from)}&to=${dateOf(from + (YEAR_DAYS - 1) * DAY_MS)}`;
    const startedAt = performance.now();
    const { status, body } = await api.get(`/v1/accounts/${ACCOUNT}/daily-balances?${range}`);
    reads.record(performance.now() - startedAt);
    const { data } = body as { data?: readonly unknown[] };
    if (status !== 200 || data?.length !== YEAR_DAYS) throw new Error(`a year was answered ${status}`);
  }
  return reads.summary();
}

function dateOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function renderLongAccount(report: LongAccountReport): string {
  const { postings, days, reads } = report;
  return [
    line('a long account', [whole(postings)]),
    line('days with a row', [whole(days)]),
    line('a year not read before, p50', [duration(reads.p50Ms)]),
    line('a year not read before, p99', [duration(reads.p99Ms)]),
    line('a year not read before, max', [duration(reads.maxMs)]),
  ].join('\n');
}
