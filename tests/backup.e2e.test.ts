/** A database that is put back to a backup (docs/backup.md), with what the world has heard meanwhile. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cloneTestDatabase, type TestDatabase } from './database.ts';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess, runLastro } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';
import { type Received, WebhookReceiver } from './webhook-receiver.ts';

const TOLD = '/told';

let home: LastroHome;
let receiver: WebhookReceiver;
let backup: TestDatabase;

beforeAll(async () => {
  receiver = await WebhookReceiver.open();
  home = await LastroHome.open();
});
afterAll(async () => {
  await home.remove();
  await backup.drop();
  await receiver.close();
});

async function pay({ url }: LastroProcess, key: string) {
  const body = {
    wallet_id: 'wal-1234',
    service_id: 'abc-1234',
    amount: 1,
    currency: 'USD',
    method: 'balance',
  };
  const answer = await http(`${url}/v1/payments`, { body, headers: { 'idempotency-key': key } });
  expect(answer.status).toBe(202);
  return answer;
}

async function toldOf(payment: unknown): Promise<Received> {
  const told = () => receiver.takenAt(TOLD).find(({ subject }) => subject === payment);
  await vi.waitUntil(() => told() !== undefined, PATIENCE);
  return told() as Received;
}

async function stop(process: LastroProcess): Promise<void> {
  process.kill('SIGTERM');
  expect(await process.ended).toMatchObject({ code: 0 });
}

test('what was before the backup is there and proved, and what comes after it is told under ids that no receiver has seen', async () => {
  const first = await home.start();
  const endpoint = { url: receiver.url + TOLD, events: ['payment.completed'] };
  expect((await http(`${first.url}/v1/webhook-endpoints`, { body: endpoint })).status).toBe(201);
  const kept = await pay(first, 'before');
  await toldOf(kept.json()['id']);
  await stop(first);
  backup = await cloneTestDatabase(home.database);

  const second = await home.start();
  const lost = await pay(second, 'after');
  const toldOfLost = await toldOf(lost.json()['id']);
  await stop(second);

  const put = await home.start({ DATABASE_URL: backup.url });
  const again = await pay(put, 'before');
  expect([again.text, again.headers.get('idempotency-replayed')]).toEqual([kept.text, 'true']);
  expect((await http(`${put.url}/v1/payments/${String(lost.json()['id'])}`)).status).toBe(404);

  const repeated = await pay(put, 'after');
  const toldAgain = await toldOf(repeated.json()['id']);
  const identity = ({ text }: Received) => (JSON.parse(text) as { id: string }).id;
  expect(identity(toldAgain)).toBe(identity(toldOfLost));
  expect(toldAgain.id).not.toBe(toldOfLost.id);

  await stop(put);
  const verified = await runLastro(['verify'], { DATABASE_URL: backup.url, DATA_DIR: home.folder });
  expect(verified).toContain('verified: logs and tables agree');
});
