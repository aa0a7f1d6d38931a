/** Signed checkpoints as operators and auditors have them: keys, receipts, a stop, another start, two processes. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verify } from '#proof/verify.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess, runLastro } from './lastro-process.ts';

const ORDER = {
  wallet_id: 'wal-1234',
  service_id: 'abc-1234',
  amount: 5,
  currency: 'USD',
  method: 'balance',
};
/** So long that within the test no checkpoint comes by itself. */
const SELDOM = { CHECKPOINT_INTERVAL_MS: '3600000' };
const OFTEN = { CHECKPOINT_INTERVAL_MS: '150' };

let home: LastroHome;
let keys = 0;

beforeEach(async () => {
  home = await LastroHome.open();
});

afterEach(() => home.remove());

async function payCompletely(lastro: LastroProcess): Promise<string> {
  const answer = await http(`${lastro.url}/v1/payments`, {
    body: ORDER,
    headers: { 'idempotency-key': `checkpoints-${++keys}` },
  });
  const id = String(answer.json()['id']);
  const notified = async () => {
    const { data } = (await http(`${lastro.url}/v1/payments/${id}/events`)).json() as { data?: unknown[] };
    return data?.length;
  };
  await expect.poll(notified).toBe(6);
  return id;
}

function receiptOf(lastro: LastroProcess, id: string): Promise<HttpAnswer> {
  return http(`${lastro.url}/v1/payments/${id}/receipt`);
}

interface Listed {
  readonly number: number;
  readonly body: string;
}

async function checkpointsOf(lastro: LastroProcess): Promise<Listed[]> {
  const { data } = (await http(`${lastro.url}/v1/integrity/checkpoints?limit=500`)).json();
  return data as Listed[];
}

function save(name: string, text: string): string {
  const file = join(home.folder, name);
  writeFileSync(file, text);
  return file;
}

async function stop(lastro: LastroProcess): Promise<void> {
  lastro.kill('SIGTERM');
  expect(await lastro.ended).toEqual({ code: 0, signal: null });
}

async function findings(kept: Parameters<typeof verify>[0]['kept'] = {}): Promise<unknown> {
  return (await verify({ url: home.database.url, kept })).checks.flatMap((check) => check.findings);
}

test('a stop covers what was paid before it; the receipt is checked offline, with the public key alone', async () => {
  const first = await home.start(SELDOM);
  await expect.poll(async () => (await checkpointsOf(first)).length).toBe(1);
  const id = await payCompletely(first);
  const pending = await receiptOf(first, id);
  expect([pending.status, pending.json()['code']]).toEqual([409, 'integrity.receipt_pending']);
  expect(pending.headers.get('retry-after')).toBe('3600');
  const published = await http(`${first.url}/.well-known/lastro-keys`);
  expect(published.headers.get('cache-control')).toBe('public, max-age=300');
  await stop(first);

  const second = await home.start(SELDOM);
  const receipt = await receiptOf(second, id);
  expect(receipt.status).toBe(200);
  expect((await http(`${second.url}/.well-known/lastro-keys`)).text).toBe(published.text);
  const copies = (await http(`${second.url}/v1/integrity/checkpoints`)).text;
  await stop(second);

  const file = save('receipt.json', receipt.text);
  const keysFile = save('keys.json', published.text);
  const nowhere = { DATA_DIR: join(home.folder, 'nothing-here') };
  const proof = await runLastro(['verify-receipt', file, '--keys', keysFile], nowhere);
  expect(proof).toMatch(new RegExp(`^PROVED: 6 events of ${id} \\(tenant sandbox\\)`));
  expect(proof).toMatch(/payment\.completed {2}authorization\/\d+\/\d+ {2}checkpoint 2/);
  // On the machine that has the private key nothing more is needed.
  expect(await runLastro(['verify-receipt', file], { DATA_DIR: home.folder })).toBe(proof);
  const forged = save('forged.json', receipt.text.replace('\\"amount\\":5', '\\"amount\\":6'));
  await expect(runLastro(['verify-receipt', forged, '--keys', keysFile], nowhere)).rejects.toThrow(
    /ended with 1:\nNOT PROVED: payments\/\d+\/\d+ is not what its batch has at this position/,
  );
  await expect(runLastro(['verify-receipt', file], nowhere)).rejects.toThrow(/give the public key by --keys/);
  const database = { DATABASE_URL: home.database.url };
  const kept = ['--keys', keysFile, '--checkpoints', save('copies.json', copies)];
  expect(await runLastro(['verify', ...kept], database)).toMatch(/checkpoints +\d+ +ok/);
});

test('a second start goes on with the chain and the key; the private one is for its user alone', async () => {
  const key = join(home.folder, 'signing-key.pem');
  const first = await home.start(OFTEN);
  await payCompletely(first);
  await stop(first);
  const made = readFileSync(key, 'utf8');
  expect(statSync(key).mode & 0o777).toBe(0o600);
  const second = await home.start(OFTEN);
  const before = (await checkpointsOf(second)).length;
  await payCompletely(second);
  await expect.poll(async () => (await checkpointsOf(second)).length).toBeGreaterThan(before);
  const listed = await checkpointsOf(second);
  expect(listed.map(({ number }) => number)).toEqual(listed.map((_, index) => listed.length - index));
  expect(new Set(listed.map(({ body }) => (JSON.parse(body) as { kid: string }).kid)).size).toBe(1);
  expect(readFileSync(key, 'utf8')).toBe(made);
  await stop(second);
  expect(await findings()).toEqual([]);
});

test('of two processes one makes each checkpoint; when it is killed, the other one goes on', async () => {
  const [first, second] = await Promise.all([home.start(OFTEN), home.start(OFTEN)]);
  const last = async () => (await checkpointsOf(second))[0]?.number ?? 0;
  const published = (await http(`${second.url}/.well-known/lastro-keys`)).json();
  expect(published['keys']).toHaveLength(1); // whichever of them has made it
  for (let round = 0; round < 5; round++) {
    const before = await last();
    await Promise.all([payCompletely(first), payCompletely(second)]);
    await expect.poll(last).toBeGreaterThan(before);
  }
  first.kill('SIGKILL');
  await first.ended;
  const id = await payCompletely(second);
  await expect.poll(async () => (await receiptOf(second, id)).status).toBe(200);
  await stop(second);
  expect(await findings()).toEqual([]);
});

describe('who may read what', () => {
  test('checkpoints need their scope, page by number, and name where each log stood', async () => {
    const lastro = await home.start(OFTEN);
    const settings = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
    for (let round = 1; round <= 3; round++) {
      await payCompletely(lastro);
      await expect.poll(async () => (await checkpointsOf(lastro)).length).toBeGreaterThanOrEqual(round);
    }
    const ask = async (path: string, scopes: string) => {
      const bearer = await runLastro(['keys', 'create', '--scopes', scopes], settings);
      return http(`${lastro.url}${path}`, { headers: { authorization: `Bearer ${bearer}` } });
    };
    expect((await ask('/v1/integrity/checkpoints', 'payments:read')).status).toBe(403);
    const page = (await ask('/v1/integrity/checkpoints?limit=1', 'integrity:read')).json();
    const next = await http(
      `${lastro.url}/v1/integrity/checkpoints?limit=1&cursor=${String(page['next_cursor'])}`,
    );
    const [[newest], [older]] = [page['data'] as Listed[], next.json()['data'] as Listed[]];
    expect(older?.number).toBe((newest?.number ?? 0) - 1);
    const one = (await http(`${lastro.url}/v1/integrity/checkpoints/1`)).json();
    expect((one['logs'] as unknown[]).length).toBe(
      (JSON.parse(String(one['body'])) as { logs: number }).logs,
    );
    const unknown = await http(`${lastro.url}/v1/integrity/checkpoints/999999`);
    expect([unknown.status, unknown.json()['code']]).toEqual([404, 'integrity.checkpoint_not_found']);
    for (const path of ['/v1/integrity/checkpoints/0', '/v1/integrity/checkpoints?cursor=x'])
      expect((await http(`${lastro.url}${path}`)).status).toBe(400);
  });

  test('another tenant’s payment has no receipt', async () => {
    const lastro = await home.start(OFTEN);
    const settings = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
    const id = await payCompletely(lastro);
    await expect.poll(async () => (await receiptOf(lastro, id)).status).toBe(200);
    const stranger = await runLastro(['keys', 'create', '--tenant', 'stranger'], settings);
    const refused = await http(`${lastro.url}/v1/payments/${id}/receipt`, {
      headers: { authorization: `Bearer ${stranger}` },
    });
    expect([refused.status, refused.json()['code']]).toEqual([404, 'payments.not_found']);
  });
});

test('production on a database of several machines does not start without a key that all of them are given', async () => {
  const settings = { DATABASE_URL: home.database.url, DATA_DIR: home.folder, MODE: 'production' };
  await runLastro(['keys', 'create', '--tenant', 'acme'], settings);
  await expect(home.start({ MODE: 'production' })).rejects.toThrow(
    /needs a key to sign checkpoints with; make one \(openssl genpkey -algorithm ed25519/,
  );
  await expect(
    home.start({ MODE: 'production', SIGNING_KEY_FILE: save('no.pem', 'no key') }),
  ).rejects.toThrow(/no\.pem, which LASTRO_SIGNING_KEY_FILE names, cannot be used: it is not an Ed25519/);
});
