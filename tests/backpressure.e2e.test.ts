import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '#kernel/partition-of.ts';
import { SERVICES } from '../src/topology.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess } from './lastro-process.ts';
import { openWallets, paymentFrom } from './payers.ts';

const PARTITIONS = 16;
const SOFT = 20;
const HARD = 60;
const WAITING = { prefer: 'wait=10' };

let home: LastroHome;

beforeEach(async () => {
  home = await LastroHome.open();
});

afterEach(() => home.remove());

function start(services: readonly string[], hard = HARD): Promise<LastroProcess> {
  return home.start({
    SERVICES: services.join(','),
    BACKPRESSURE_SOFT: String(SOFT),
    BACKPRESSURE_HARD: String(hard),
  });
}

function allBut(...stopped: readonly string[]): string[] {
  return SERVICES.filter((service) => !stopped.includes(service));
}

interface Asking {
  readonly wallet?: string | undefined;
  readonly amount?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

function pay(
  url: string,
  key: string,
  { wallet = 'wal-1234', amount = 1, headers = {} }: Asking = {},
): Promise<HttpAnswer> {
  return http(`${url}/v1/payments`, {
    headers: { 'idempotency-key': key, ...headers },
    body: { ...paymentFrom(wallet), amount },
  });
}

async function statusesOf(url: string): Promise<Set<unknown>> {
  const { data } = (await http(`${url}/v1/payments?limit=500`)).json() as { data: { status: string }[] };
  return new Set(data.map(({ status }) => status));
}

test('a stage of the payment that stands still makes intake refuse what is new at the hard bound, and take up again when it moves', async () => {
  const intake = await start(allBut('authorization'));
  // Over many partitions, so that none of them comes to its own bound.
  const wallets = await openWallets(intake.url, 8);
  const payAs = (number: number) =>
    pay(intake.url, `pressed-${number}`, { wallet: wallets[number % wallets.length] });
  const accepted = new Map<number, string>();
  let asked = 0;
  let refusal: HttpAnswer | undefined;
  const payNext = async (): Promise<void> => {
    const number = asked++;
    const answer = await payAs(number);
    if (answer.status === 202) accepted.set(number, answer.text);
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
  const refused = asked - 1;
  await expectReplays(intake.url, payAs, accepted);

  await start(['authorization']);
  await expect.poll(async () => (await payAs(refused)).status).toBe(202);
  await expect.poll(() => statusesOf(intake.url)).toEqual(new Set(['completed']));
  for (const [number, text] of accepted) expect((await payAs(number)).text).toBe(text);
});

/** U1: what was answered is answered again while new payments are refused; another body under its key is told so. */
async function expectReplays(
  url: string,
  payAs: (number: number) => Promise<HttpAnswer>,
  accepted: ReadonlyMap<number, string>,
): Promise<void> {
  const [[number = 0, text] = []] = accepted;
  const replay = await payAs(number);
  expect([replay.status, replay.text]).toEqual([202, text]);
  expect(replay.headers.get('idempotency-replayed')).toBe('true');
  const { wallet_id } = JSON.parse(text ?? '') as { wallet_id: string };
  const other = await http(`${url}/v1/payments`, {
    headers: { 'idempotency-key': `pressed-${number}` },
    body: { ...paymentFrom(wallet_id), amount: 1, description: 'another' },
  });
  expect(other.json()).toMatchObject({
    code: 'payments.idempotency_key_reused',
    errors: [{ pointer: '/description' }],
  });
  expect((await pay(url, 'pressed-anew', { wallet: wallet_id })).status).toBe(503);
}

test('what nobody’s payment waits for may stand still: notification and integrity refuse nobody', async () => {
  const { url } = await start(allBut('notification', 'integrity'));
  // Over many partitions, so that none of them comes to its own bound.
  const wallets = await openWallets(url, 8);
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        pay(url, `free-${round}-${n}`, { wallet: wallets[n % wallets.length], headers: WAITING }),
      ),
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

/** A payment of this amount cannot be authorized, for no fault of its own: something is wrong with the table. */
const FAILING_AMOUNT = 666;
const FAIL = `
  create function public.fail() returns trigger language plpgsql as
    $$ begin raise 'not this one' using errcode = 'undefined_table'; end $$;
  create trigger fail before insert on "authorization".sagas for each row
    when (new.amount = ${FAILING_AMOUNT}) execute function public.fail();`;
/** Of which the share of one partition, four sixteenths, is more than the others have in flight. */
const ROOMY_HARD = 400;
const MEND = 'drop trigger fail on "authorization".sagas';

async function asOwner(sql: string): Promise<void> {
  const owner = new Client({ connectionString: home.database.url });
  await owner.connect();
  await owner.query(sql);
  await owner.end();
}

test('W6: an event that fails alone for the world’s reasons makes its own partition’s wallets wait past the bound, and nobody else', async () => {
  const { url } = await start(SERVICES, ROOMY_HARD);
  const wallets = await openWallets(url, 12);
  const partition = (wallet: string) => partitionOf('sandbox', wallet, PARTITIONS);
  const [failing, ...rest] = wallets as [string, ...string[]];
  const others = rest.filter((wallet) => partition(wallet) !== partition(failing));
  await asOwner(FAIL);
  const accepted = [await pay(url, 'failing', { wallet: failing, amount: FAILING_AMOUNT })];

  const end = new AbortController();
  const othersEndings = new Map<unknown, number>();
  const payers = others.map(async (wallet, payer) => {
    for (let n = 0; !end.signal.aborted; n++) {
      const answer = await pay(url, `other-${payer}-${n}`, { wallet, headers: WAITING });
      const { status, code } = answer.json() as { status: unknown; code?: unknown };
      othersEndings.set(code ?? status, (othersEndings.get(code ?? status) ?? 0) + 1);
    }
  });
  let refusal: HttpAnswer | undefined;
  const payBehind = async (): Promise<boolean> => {
    const answer = await pay(url, `behind-${accepted.length}`, { wallet: failing });
    if (answer.status === 202) accepted.push(answer);
    else refusal = answer;
    return refusal !== undefined;
  };
  try {
    await expect.poll(payBehind, { timeout: 20_000, interval: 0 }).toBe(true);
    const before = othersEndings.get('completed') ?? 0;
    // While it stands at its bound the others go on as before.
    await expect
      .poll(() => othersEndings.get('completed'), { timeout: 30_000, interval: 50 })
      .toBeGreaterThan(before + 4 * HARD);
  } finally {
    end.abort();
    await Promise.all(payers);
  }
  expect(refusal?.json()).toMatchObject({ code: 'service.overloaded' });
  expect(accepted.length).toBeGreaterThan(ROOMY_HARD / 5);
  expect([...othersEndings.keys()]).toEqual(['completed']);

  await asOwner(MEND);
  const unfinished = async (): Promise<string[]> => {
    const reads = accepted.map(({ json }) => http(`${url}/v1/payments/${String(json()['id'])}`));
    const statuses = (await Promise.all(reads)).map(({ json }) => String(json()['status']));
    return statuses.filter((status) => status !== 'completed');
  };
  await expect.poll(unfinished).toEqual([]);
  expect((await pay(url, 'mended', { wallet: failing, headers: WAITING })).json()['status']).toBe(
    'completed',
  );
});
