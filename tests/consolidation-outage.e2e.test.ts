/**
 * F2, U8: the consolidation is a process of its own here, and is killed; entries are recorded as before, and when it is back the
 * days are what the postings add up to.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verify } from '#proof/verify.ts';
import { SERVICES } from '../src/topology.ts';
import { counted, RECOMPUTED, rowsOf, STORED } from './consolidation-desk.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess } from './lastro-process.ts';
import { SeededRandom } from './seeded-random.ts';

const BOOKS = ['north', 'south', 'east'];
const DAYS = ['2026-01-14', '2026-01-15', '2026-01-16'];
const OTHERS = SERVICES.filter((service) => service !== 'consolidation').join(',');

let home: LastroHome;
let others: LastroProcess;
let consolidation: LastroProcess;
const random = new SeededRandom(6);

beforeAll(async () => {
  home = await LastroHome.open();
  others = await home.start({ SERVICES: OTHERS });
  consolidation = await home.start({ SERVICES: 'consolidation' });
  for (const id of BOOKS) await post('/v1/accounts', { id, kind: 'cashbook', currency: 'BRL' });
});
afterAll(() => home.remove());

let keys = 0;
function post(path: string, body: unknown): Promise<HttpAnswer> {
  keys += 1;
  return http(`${others.url}${path}`, { body, headers: { 'idempotency-key': `outage-${keys}` } });
}

/** Of any book and day, so that late ones are among them; each fourth is given back. The statuses of all answers. */
async function record(count: number): Promise<number[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const entry = {
        account_id: random.pick(BOOKS),
        direction: random.pick(['credit', 'debit']),
        amount: random.between(1, 1000),
        occurred_on: random.pick(DAYS),
        description: 'Coffee beans',
      };
      const recorded = await post('/v1/cash-entries', entry);
      if (index % 4 !== 0) return [recorded.status];
      const back = await post(`/v1/cash-entries/${String(recorded.json()['id'])}/reversal`, {});
      return [recorded.status, back.status];
    }),
  );
  return answers.flat();
}

function daysOf(at: LastroProcess): Promise<HttpAnswer> {
  return http(`${at.url}/v1/accounts/north/daily-balances?from=${DAYS[0]}&to=${DAYS[2]}`);
}

async function expectDaysOfPlainRecomputation(): Promise<void> {
  const stored = await rowsOf(home.database.url, STORED);
  expect(stored).toEqual(await rowsOf(home.database.url, RECOMPUTED));
  expect(stored.filter(({ id }) => id === 'north').length).toBeGreaterThanOrEqual(DAYS.length);
}

test('F2, U4, U8: killed while entries are recorded it fails none of them, and counts what it missed when it is back', async () => {
  const during = record(400);
  consolidation.kill('SIGKILL');
  await consolidation.ended;
  const after = await record(100);
  expect(new Set([...(await during), ...after])).toEqual(new Set([201]));
  const behind = await rowsOf(
    home.database.url,
    `select from log.heads h join log.positions p using (topic, partition)
     where p.consumer_group = 'consolidation' and p.position < h.position`,
  );
  expect(behind.length).toBeGreaterThan(0);
  consolidation = await home.start({ SERVICES: 'consolidation' });
  await counted(home.database.url);
  await expectDaysOfPlainRecomputation();
  const { checks } = await verify({ url: home.database.url, scope: 'books' });
  expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
});

test('DESIGN §7: a process answers for a service that another one runs, with what that has counted', async () => {
  const here = await daysOf(consolidation);
  const elsewhere = await daysOf(others);
  expect([elsewhere.status, elsewhere.json()]).toEqual([200, here.json()]);
  const { data, lag_events } = here.json() as { data: Record<string, unknown>[]; lag_events: number };
  expect([here.status, lag_events]).toEqual([200, 0]);
  const rows = await rowsOf(home.database.url, RECOMPUTED);
  const told = (day: Record<string, unknown>): string[] =>
    ['opening', 'credits', 'debits', 'count', 'closing'].map((name) => String(day[name]));
  expect(data.map(told)).toEqual(
    rows.filter(({ id, day }) => id === 'north' && DAYS.includes(String(day))).map(told),
  );
});

test('DESIGN §7: what one process is asked to do another one does', async () => {
  let asked = 0;
  const ask = (path: string, body: unknown): Promise<HttpAnswer> =>
    http(`${consolidation.url}${path}`, { body, headers: { 'idempotency-key': `elsewhere-${++asked}` } });
  const answers = [
    await ask('/v1/accounts', { id: 'west', kind: 'cashbook', currency: 'BRL' }),
    await ask('/v1/cash-entries', {
      account_id: 'west',
      direction: 'credit',
      amount: 500,
      occurred_on: DAYS[0],
      description: 'Coffee beans',
    }),
    await ask('/v1/cards', { account: 'west-card', currency: 'BRL', balances: { CASH: 1000 } }),
    await ask('/v1/card-transactions', { account: 'west-card', totalAmount: 1, mcc: '5999', merchant: 'X' }),
    await ask('/v1/webhook-endpoints', { url: 'http://127.0.0.1:9/', events: ['payment.*'] }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 200, 201]);
  expect(answers[3]?.json()).toMatchObject({ code: '00' });
});

test('DESIGN §7: a callback that comes to a process without the providers is to be sent again', async () => {
  const answer = await http(`${consolidation.url}/v1/provider-callbacks/alfa`, { body: {} });
  expect([answer.status, answer.json()['code']]).toEqual([503, 'service.unavailable']);
  expect(answer.headers.get('retry-after')).not.toBeNull();
});

/** Of no service: the logs as they are, what every group may give up, every service's secrets, and the process itself. */
const EVERYWHERE = /^\/(?:v1\/(?:events|dead-letters|secrets)|livez|readyz|metrics|problems)/;
const OWN = /daily-balances/;

/** As soon as it has not been seen for longer than a lease lasts. */
async function untilAbsent(ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  await expect.poll(async () => (await ask()).status).toBe(503);
  return ask();
}

test('DESIGN §7: the routes of a service that runs nowhere answer 503, until it runs again', async () => {
  consolidation.kill('SIGKILL');
  await consolidation.ended;
  const absent = await untilAbsent(() => daysOf(others));
  expect(absent.json()['code']).toBe('service.unavailable');
  expect(absent.headers.get('retry-after')).not.toBeNull();
  consolidation = await home.start({ SERVICES: 'consolidation' });
  await expect.poll(async () => (await daysOf(others)).status).toBe(200);
});

test('DESIGN §7: no route of services that run nowhere answers anything else', async () => {
  others.kill('SIGKILL');
  await others.ended;
  await untilAbsent(() => http(`${consolidation.url}/v1/accounts`));
  const document = (await http(`${consolidation.url}/openapi.json`)).json() as {
    paths: Record<string, Record<string, unknown>>;
  };
  const routes = Object.entries(document.paths)
    .filter(([path]) => !EVERYWHERE.test(path) && !OWN.test(path))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => ({ path, method })));
  expect(routes.map(({ path }) => path)).toContain('/.well-known/lastro-keys');
  const answers = await Promise.all(
    routes.map(async ({ path, method }) => {
      const url = `${consolidation.url}${path.replaceAll(/\{\w+\}/g, '1')}`;
      const { status } = await fetch(url, { method: method.toUpperCase() });
      return `${method} ${path} ${status}`;
    }),
  );
  expect(answers.filter((answer) => !answer.endsWith(' 503'))).toEqual([]);
});
