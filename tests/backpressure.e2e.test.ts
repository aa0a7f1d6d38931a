import { afterEach, beforeEach, expect, test } from 'vitest';
import { SERVICES } from '../src/topology.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess } from './lastro-process.ts';
import { paymentFrom } from './payers.ts';

const SOFT = 20;
const HARD = 60;
const PATIENCE = { timeout: 15_000, interval: 50 };

let home: LastroHome;

beforeEach(async () => {
  home = await LastroHome.open();
});

afterEach(() => home.remove());

function start(services: readonly string[]): Promise<LastroProcess> {
  return home.start({
    SERVICES: services.join(','),
    BACKPRESSURE_SOFT: String(SOFT),
    BACKPRESSURE_HARD: String(HARD),
  });
}

function allBut(...stopped: readonly string[]): string[] {
  return SERVICES.filter((service) => !stopped.includes(service));
}

function pay(url: string, key: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpAnswer> {
  return http(`${url}/v1/payments`, {
    headers: { 'idempotency-key': key, ...headers },
    body: paymentFrom('wal-1234'),
  });
}

async function statusesOf(url: string): Promise<Set<unknown>> {
  const { data } = (await http(`${url}/v1/payments?limit=500`)).json() as { data: { status: string }[] };
  return new Set(data.map(({ status }) => status));
}

test('a stage of the payment that stands still makes intake refuse what is new at the hard bound, and take up again when it moves', async () => {
  const intake = await start(allBut('authorization'));
  const accepted = new Map<string, string>();
  let asked = 0;
  let refusal: HttpAnswer | undefined;
  const payNext = async (): Promise<void> => {
    const key = `pressed-${asked++}`;
    const answer = await pay(intake.url, key);
    if (answer.status === 202) accepted.set(key, answer.text);
    else refusal = answer;
  };
  await expect
    .poll(async () => (await payNext(), refusal?.status), { timeout: 20_000, interval: 0 })
    .toBe(503);
  expect(Number(refusal?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refusal?.json()).toMatchObject({ code: 'service.overloaded', status: 503 });
  // The bound counts the events of the accounts' opening too, which the coordinator has still to pass.
  expect(accepted.size).toBeGreaterThan(SOFT);
  // What was decided before can still be read and what is unfinished is not lost.
  expect(await statusesOf(intake.url)).toEqual(new Set(['pending']));
  const refusedKey = `pressed-${asked - 1}`;
  await expectReplays(intake.url, accepted);

  await start(['authorization']);
  await expect.poll(async () => (await pay(intake.url, refusedKey)).status, PATIENCE).toBe(202);
  await expect.poll(() => statusesOf(intake.url), PATIENCE).toEqual(new Set(['completed']));
  for (const [key, text] of accepted) expect((await pay(intake.url, key)).text).toBe(text);
});

/** U1: what was answered is answered again while new payments are refused; another body under its key is told so. */
async function expectReplays(url: string, accepted: ReadonlyMap<string, string>): Promise<void> {
  const [[key = '', text] = []] = accepted;
  const replay = await pay(url, key);
  expect([replay.status, replay.text]).toEqual([202, text]);
  expect(replay.headers.get('idempotency-replayed')).toBe('true');
  const body = { ...paymentFrom('wal-1234'), description: 'another' };
  const other = await http(`${url}/v1/payments`, { headers: { 'idempotency-key': key }, body });
  expect(other.json()).toMatchObject({
    code: 'payments.idempotency_key_reused',
    errors: [{ pointer: '/description' }],
  });
  expect((await pay(url, 'pressed-anew')).status).toBe(503);
}

test('what nobody’s payment waits for may stand still: notification and integrity refuse nobody', async () => {
  const { url } = await start(allBut('notification', 'integrity'));
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => pay(url, `free-${round}-${n}`, { prefer: 'wait=10' })),
    );
    expect(answers.map(({ json }) => json()['status'])).toEqual(answers.map(() => 'completed'));
  }
  const lags = await lagsOf(url);
  expect(lags.get('notification')).toBeGreaterThan(HARD);
  expect(lags.get('integrity')).toBeGreaterThan(HARD);
});

async function lagsOf(url: string): Promise<Map<string, number>> {
  const { text } = await http(`${url}/metrics`);
  const lines = text.matchAll(/^lastro_consumer_lag_events\{group="(\w+)"\} (\d+)$/gm);
  return new Map([...lines].map(([, group, lag]) => [String(group), Number(lag)]));
}
