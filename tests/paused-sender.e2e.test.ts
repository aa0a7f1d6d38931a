/**
 * P4: a process that is stopped between its commit and the arrival of its charges cannot cause a second charge. Its
 * charges are committed and held before they reach the provider. Another process takes over, makes sure that they cannot
 * be made any more, and charges elsewhere; then they arrive, and the process wakes up.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verify } from '#proof/verify.ts';
import { HoldProxy } from './hold-proxy.ts';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess } from './lastro-process.ts';
import { PROVIDER_KEY, PROVIDER_SECRET, ProviderHome, type ProviderProcess } from './provider-process.ts';

const PAYMENTS = 4;
/** Longer than the test: nobody gives up what was sent. */
const TIMEOUT_MS = 60_000;
const SETTLES_WITHIN_MS = 60_000;

let home: LastroHome;
let client: Client;
let folder: string;
let homes: ProviderHome[];
let alfa: ProviderProcess;
let beta: ProviderProcess;
let proxy: HoldProxy;

beforeEach(async () => {
  home = await LastroHome.open();
  client = new Client({ connectionString: home.database.url });
  await client.connect();
  folder = mkdtempSync(join(tmpdir(), 'lastro-routes-'));
  homes = [new ProviderHome(), new ProviderHome()];
  [alfa, beta] = (await Promise.all(homes.map((each) => each.start()))) as [ProviderProcess, ProviderProcess];
  proxy = await HoldProxy.open(alfa.url);
});

afterEach(async () => {
  await proxy.close();
  await client.end();
  await home.remove();
  await Promise.all(homes.map((each) => each.remove()));
  rmSync(folder, { recursive: true, force: true });
});

/** `alfa`, behind the proxy, before `beta`. */
function start(canVoid: boolean): Promise<LastroProcess> {
  const terms = { api_key: PROVIDER_KEY, webhook_secret: PROVIDER_SECRET, timeout_ms: TIMEOUT_MS };
  const routes = {
    providers: {
      alfa: {
        ...terms,
        url: proxy.url,

        void: canVoid,
        settles_within_ms: SETTLES_WITHIN_MS,
      },
      beta: { ...terms, url: beta.url },
    },
    routes: [{ providers: ['alfa', 'beta'] }],
  };
  const file = join(folder, 'providers.json');
  writeFileSync(file, JSON.stringify(routes));
  return home.start({ PROVIDERS_FILE: file });
}

/** A process that is stopped when all its charges are committed, and none has arrived. */
async function stoppedSender(canVoid: boolean): Promise<LastroProcess> {
  const sender = await start(canVoid);
  proxy.hold('POST /charges ');
  await Promise.all(
    Array.from({ length: PAYMENTS }, (_, index) =>
      http(`${sender.url}/v1/payments`, {
        headers: { 'idempotency-key': `paused-${index}` },
        body: {
          wallet_id: 'wal-1234',
          service_id: 'abc-1234',
          amount: 100 + index,
          currency: 'USD',
          method: 'gateway',
        },
      }),
    ),
  );
  await expect
    .poll(async () => [proxy.held, await states()])
    .toEqual([PAYMENTS, Array.from({ length: PAYMENTS }, () => 'sending')]);
  sender.kill('SIGSTOP');
  return sender;
}

/** Of every attempt at `alfa`. */
async function states(): Promise<string[]> {
  const { rows } = await client.query<{ state: string }>(
    `select state from providers.attempts where provider = 'alfa' order by created_at, id`,
  );
  return rows.map(({ state }) => state);
}

/** A sender is taken for gone when its longest time is over: that is now. */
async function hasten(): Promise<void> {
  await client.query(`update providers.attempts set due_at = now() where state = 'sending'`);
}

async function statuses(): Promise<string[]> {
  const { rows } = await client.query<{ status: string }>('select status from payments.payments');
  return rows.map(({ status }) => status);
}

async function charged(provider: ProviderProcess): Promise<number> {
  const { entries } = (await provider.call('/book?limit=1000')).json() as { entries: { status: string }[] };
  return entries.filter(({ status }) => status === 'approved').length;
}

const COMPLETED = Array.from({ length: PAYMENTS }, () => 'completed');

/** It has heard what became of everything that it had let go. */
async function wakeUp(sender: LastroProcess): Promise<void> {
  sender.kill('SIGCONT');
  await expect.poll(async () => inFlight(sender)).toBe(0);
}

async function inFlight({ url }: LastroProcess): Promise<number> {
  const { data } = (await http(`${url}/v1/providers`)).json() as { data: { in_flight: number }[] };
  return data.reduce((sum, { in_flight }) => sum + in_flight, 0);
}

async function proof(): Promise<unknown[]> {
  const { checks } = await verify({ url: home.database.url });
  return checks.flatMap(({ findings }) => findings);
}

test('P4: what it has let go is refused where another process has blocked it before it charged elsewhere', async () => {
  const sender = await stoppedSender(true);
  await start(true);
  await hasten();
  await expect.poll(statuses).toEqual(COMPLETED);
  expect([await charged(alfa), await charged(beta)]).toEqual([0, PAYMENTS]);
  expect(proxy.held).toBe(PAYMENTS);
  proxy.release();
  await expect.poll(() => proxy.answered('"charge_voided"')).toBe(PAYMENTS);
  await wakeUp(sender);
  expect(await states()).toEqual(Array.from({ length: PAYMENTS }, () => 'closed'));
  expect([await charged(alfa), await charged(beta)]).toEqual([0, PAYMENTS]);
  await expect.poll(proof).toEqual([]);
});

test('P4: a provider that can block nothing is asked until what it was sent must have arrived, and nobody else', async () => {
  const sender = await stoppedSender(false);
  await start(false);
  await hasten();
  await expect.poll(() => proxy.sent('GET /charges/att_')).toBeGreaterThan(PAYMENTS);
  expect([await charged(alfa), await charged(beta), await states()]).toEqual([
    0,
    0,
    Array.from({ length: PAYMENTS }, () => 'unknown'),
  ]);
  proxy.release();
  await expect.poll(statuses).toEqual(COMPLETED);
  await wakeUp(sender);
  expect([await charged(alfa), await charged(beta)]).toEqual([PAYMENTS, 0]);
  await expect.poll(proof).toEqual([]);
});
