/** U20: what a process says of itself in /metrics is what its callers have counted. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess } from './lastro-process.ts';

const ORDER = {
  wallet_id: 'wal-1234',
  service_id: 'abc-1234',
  amount: 7,
  currency: 'USD',
  method: 'balance',
};
const GROUPS = [
  'validation',
  'authorization',
  'ledger',
  'providers',
  'payments',
  'notification',
  'integrity',
];

/** Of each kind so many; the numbers differ, so that none passes for another. */
const COUNTS = {
  completed: 13,
  declined: 5,
  rejected: 3,
  byGateway: 2,
  refunded: 4,
  refundsRefused: 1,
  unprocessable: 6,
  malformed: 8,
  unauthorized: 9,
  replays: 10,
  reads: 11,
  missing: 12,
};

let home: LastroHome;
let lastro: LastroProcess;
let keys = 0;

beforeAll(async () => {
  home = await LastroHome.open();
  lastro = await home.start({ CHECKPOINT_INTERVAL_MS: '100' });
});

afterAll(() => home.remove());

function post(path: string, body: unknown, key = `metrics-${++keys}`): Promise<HttpAnswer> {
  return http(`${lastro.url}${path}`, { body, headers: { 'idempotency-key': key } });
}

function times<Result>(count: number, act: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => act(index)));
}

function pay(change: object = {}, key?: string): Promise<HttpAnswer> {
  return post('/v1/payments', { ...ORDER, ...change }, key);
}

type Samples = ReadonlyMap<string, number>;

/** Every line of the answer: name and labels as they stand there, and the value. */
async function scrape(): Promise<Samples> {
  const { text } = await http(`${lastro.url}/metrics`);
  const lines = text.split('\n').filter((line) => line.startsWith('lastro_'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** Labels in any order; 0 for what was never counted. */
function valueOf(samples: Samples, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const own = [...samples].filter(([sample]) => {
    const [metric, given = ''] = sample.replace('}', '').split('{');
    return metric === name && wanted.every((label) => given.split(',').includes(label));
  });
  return own.reduce((sum, [, value]) => sum + value, 0);
}

function answered(samples: Samples, method: string, route: string, status: string): number {
  return valueOf(samples, 'lastro_http_request_duration_seconds_count', { method, route, status });
}

async function settled(): Promise<Samples> {
  const lags = async () => {
    const samples = await scrape();
    return GROUPS.map((group) => valueOf(samples, 'lastro_consumer_lag_events', { group }));
  };
  // Positions are read ten times a second: what was just committed may not be counted yet.
  await expect
    .poll(async () => [await lags(), await lags()].flat())
    .toEqual([...GROUPS, ...GROUPS].map(() => 0));
  return scrape();
}

async function untilEnded(answers: readonly HttpAnswer[], path: string): Promise<void> {
  for (const answer of answers) {
    const url = `${lastro.url}${path}/${String(answer.json()['id'])}/verdict`;
    await expect.poll(async () => (await http(url)).json()['verdict']).toBe('complete');
  }
}

/** Whose labels are known with what they count only: providers from the providers file, kinds of findings when one is opened. */
const BEGUN_LATE = ['lastro_integrity_repairs_total', 'lastro_provider_attempts_total'];

test('M4: counters are there before they have counted anything, so that the first is an increase', async () => {
  const { text } = await http(`${lastro.url}/metrics`);
  const counters = [...text.matchAll(/^# TYPE (lastro_\w+) counter$/gm)].map(([, name = '']) => name);
  const absent = counters.filter((name) => !text.includes(`\n${name}{`) && !text.includes(`\n${name} `));
  expect(absent.toSorted()).toEqual(BEGUN_LATE);
  for (const group of GROUPS) expect(text).toContain(`lastro_dead_letters_total{group="${group}"} 0`);
  expect(text).toContain('lastro_batch_failures_total{worker="ledger.intake",kind="permanent"} 0');
  expect(text).toContain('lastro_checkpoints_total{outcome="refused"} 0');
});

test('U20: requests by status, payments and refunds by end, verdicts, attempts and lag are what was counted', async () => {
  const before = await settled();
  const completed = await times(COUNTS.completed, (index) => pay({}, `completed-${index}`));
  const declined = await times(COUNTS.declined, () => pay({ amount: 9_000_000_000_000 }));
  const rejected = await times(COUNTS.rejected, () => pay({ service_id: 'nobody' }));
  const byGateway = await times(COUNTS.byGateway, () => pay({ method: 'gateway' }));
  await times(COUNTS.unprocessable, () => pay({ currency: 'XYZ' }));
  await times(COUNTS.malformed, () => pay({ amount: 'seven' }));
  await times(COUNTS.unauthorized, () =>
    http(`${lastro.url}/v1/payments`, { headers: { authorization: 'Bearer lk_no_key' } }),
  );
  const replayed = await times(COUNTS.replays, (index) => pay({}, `completed-${index}`));
  expect(replayed.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual(
    replayed.map(() => 'true'),
  );
  await times(COUNTS.reads, () => http(`${lastro.url}/v1/accounts/wal-1234`));
  await times(COUNTS.missing, () => http(`${lastro.url}/v1/accounts/nobody`));
  await untilEnded([...completed, ...declined, ...rejected, ...byGateway], '/v1/payments');
  const idOf = (index: number) => String(completed[index]?.json()['id']);
  const refunds = await times(COUNTS.refunded, (index) =>
    post(`/v1/payments/${idOf(index)}/refunds`, { amount: 1 }),
  );
  await times(COUNTS.refundsRefused, () => post(`/v1/payments/${idOf(0)}/refunds`, { amount: 1_000_000 }));
  await untilEnded(refunds, '/v1/refunds');
  const after = await settled();
  const grown = (name: string, labels: Record<string, string> = {}) =>
    valueOf(after, name, labels) - valueOf(before, name, labels);
  const grownAnswers = (method: string, route: string, status: string) =>
    answered(after, method, route, status) - answered(before, method, route, status);

  const accepted = COUNTS.completed + COUNTS.declined + COUNTS.rejected + COUNTS.byGateway;
  expect({
    accepted: grownAnswers('POST', '/v1/payments', '2xx'),
    refused: grownAnswers('POST', '/v1/payments', '4xx'),
    failed: grownAnswers('POST', '/v1/payments', '5xx'),
    unauthorized: grownAnswers('GET', '/v1/payments', '4xx'),
    reads: grownAnswers('GET', '/v1/accounts/:id', '2xx'),
    missing: grownAnswers('GET', '/v1/accounts/:id', '4xx'),
    refunds: grownAnswers('POST', '/v1/payments/:id/refunds', '2xx'),
    refundsRefused: grownAnswers('POST', '/v1/payments/:id/refunds', '4xx'),
  }).toEqual({
    accepted: accepted + COUNTS.replays,
    refused: COUNTS.unprocessable + COUNTS.malformed,
    failed: 0,
    unauthorized: COUNTS.unauthorized,
    reads: COUNTS.reads,
    missing: COUNTS.missing,
    refunds: COUNTS.refunded,
    refundsRefused: COUNTS.refundsRefused,
  });
  const ended = (status: string) => grown('lastro_payments_ended_total', { status });
  expect([
    ended('completed'),
    ended('declined'),
    ended('rejected'),
    grown('lastro_payments_ended_total'),
  ]).toEqual([COUNTS.completed + COUNTS.byGateway, COUNTS.declined, COUNTS.rejected, accepted]);
  expect(grown('lastro_refunds_ended_total', { status: 'completed' })).toBe(COUNTS.refunded);
  expect(grown('lastro_refunds_ended_total')).toBe(COUNTS.refunded);
  expect(grown('lastro_sagas_judged_total', { verdict: 'complete' })).toBe(accepted + COUNTS.refunded);
  expect(grown('lastro_sagas_judged_total', { verdict: 'broken' })).toBe(0);
  // Decided in a batch: all that has the right shape, also what was refused or answered before.
  expect(grown('lastro_batch_events_total', { worker: 'payments.intake' })).toBe(
    accepted + COUNTS.unprocessable + COUNTS.replays,
  );
  expect(grown('lastro_batch_events_total', { worker: 'payments.changes' })).toBe(
    COUNTS.refunded + COUNTS.refundsRefused,
  );
  expect(grown('lastro_provider_attempts_total', { kind: 'charge', state: 'approved' })).toBe(
    COUNTS.byGateway,
  );
  expect(grown('lastro_provider_call_duration_seconds_count', { operation: 'charge' })).toBe(
    COUNTS.byGateway,
  );
  expect([grown('lastro_provider_calls_in_flight'), grown('lastro_provider_unknown_outcomes')]).toEqual([
    0, 0,
  ]);
  expect(grown('lastro_batch_failures_total', { kind: 'permanent' })).toBe(0);
});

test('U20: the checkpoints written are those that are there', async () => {
  const listed = async () => {
    const { data } = (await http(`${lastro.url}/v1/integrity/checkpoints?limit=500`)).json();
    return (data as unknown[]).length;
  };
  // Nothing moves any more, so none is added between the two.
  await expect
    .poll(
      async () =>
        (await listed()) - valueOf(await scrape(), 'lastro_checkpoints_total', { outcome: 'written' }),
    )
    .toBe(0);
});
