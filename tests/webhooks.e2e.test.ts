/** Webhooks of the whole product: real processes, a real receiver. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';
import { ask } from './redelivery.ts';
import { faultOf, type Received, WebhookReceiver } from './webhook-receiver.ts';

const CORRELATION = 'find-me-everywhere';

let home: LastroHome;
let lastro: LastroProcess;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await WebhookReceiver.open();
  home = await LastroHome.open();
  lastro = await home.start({ HOST: '127.0.0.1', LOG_LEVEL: 'debug' });
});
afterAll(async () => {
  await home.remove();
  await receiver.close();
});

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const answer = await http(`${lastro.url}${path}`, { body, headers });
  return { ...answer, body: answer.json() };
}

async function taken(path: string): Promise<Received> {
  await vi.waitUntil(() => receiver.takenAt(path).length > 0, PATIENCE);
  return receiver.takenAt(path)[0] as Received;
}

/** Whether one line of the log has all of these. */
function hasLogged(...parts: readonly string[]): boolean {
  const lines = lastro.output().split('\n');
  return lines.some((line) => parts.every((part) => line.includes(part)));
}

test('U17: a payment’s webhook and its log line have the correlation id of the request', async () => {
  const made = await post('/v1/webhook-endpoints', {
    url: `${receiver.url}/payments`,
    events: ['payment.completed'],
  });
  expect(made.status).toBe(201);
  const paid = await post(
    '/v1/payments',
    { wallet_id: 'wal-1234', service_id: 'abc-1234', amount: 1, currency: 'USD', method: 'balance' },
    { 'idempotency-key': 'webhook', 'x-correlation-id': CORRELATION },
  );
  const received = await taken('/payments');
  expect(received).toMatchObject({ subject: paid.body['id'], sequence: 1 });
  expect(received.headers['x-correlation-id']).toBe(CORRELATION);
  expect(faultOf(received, String(made.body['secret']))).toBeUndefined();
  await vi.waitUntil(() => hasLogged(CORRELATION, 'a webhook was delivered'), PATIENCE);
  expect(lastro.output()).not.toContain(String(made.body['secret']).slice('whsec_'.length));
});

test('an attempt without an answer is logged with its reason', async () => {
  const { body, status } = await post('/v1/webhook-endpoints', {
    url: 'http://127.0.0.1:1/nobody',
    events: ['payment.rejected'],
  });
  expect(status).toBe(201);
  const unknown = {
    wallet_id: 'nobody',
    service_id: 'abc-1234',
    amount: 1,
    currency: 'USD',
    method: 'balance',
  };
  await post('/v1/payments', unknown, { 'idempotency-key': 'unreachable' });
  const logged = ['a webhook was not delivered', String(body['id']), '"reason":"It could not be reached'];
  await vi.waitUntil(() => hasLogged(...logged), PATIENCE);
});

describe('K10: the answer to a card transaction that names where to send it', () => {
  const purchase = { account: '123', totalAmount: 0.01, mcc: '5811', merchant: 'PADARIA DO ZE' };

  test('is 202, and the decision is sent there, signed', async () => {
    const { body } = await post('/v1/webhook-endpoints/callbacks/rotate-secret', {});
    const path = '/answers/1';
    const order = { ...purchase, id: 'async-1', callback_url: receiver.url + path };
    const asked = await post('/v1/card-transactions', order, { 'x-correlation-id': CORRELATION });
    expect([asked.status, asked.body]).toEqual([202, { id: asked.body['id'], status: 'pending' }]);
    const received = await taken(path);
    expect(received).toMatchObject({
      type: 'lastro.card.answered.v1',
      subject: asked.body['id'],
      data: { id: asked.body['id'], code: '00', category: 'MEAL', decided_by: 'mcc' },
    });
    expect(received.data).not.toHaveProperty('callback_url');
    expect(received.headers['x-correlation-id']).toBe(CORRELATION);
    expect(faultOf(received, String(body['secret']))).toBeUndefined();
    const again = await post('/v1/card-transactions', order);
    expect([again.status, again.body['code']]).toEqual([200, '00']);
    expect(receiver.at(path)).toHaveLength(1);
    // Rotated, the new secret signs at once, also to a URL that nothing was sent to before.
    const rotated = await post('/v1/webhook-endpoints/callbacks/rotate-secret', {});
    const elsewhere = { ...order, id: 'async-rotated', callback_url: `${receiver.url}/answers/rotated` };
    expect((await post('/v1/card-transactions', elsewhere)).status).toBe(202);
    expect(faultOf(await taken('/answers/rotated'), String(rotated.body['secret']))).toBeUndefined();
  });

  test('is sent where its card has it sent, until that is changed; the other route answers by the code', async () => {
    const path = '/answers/card';
    const card = { account: 'sent-1', currency: 'BRL', balances: { CASH: 100 } };
    const refused = await post('/v1/cards', { ...card, callback_url: 'ftp://a.example/' });
    expect([refused.status, refused.body['code']]).toEqual([422, 'cards.callback_refused']);
    const made = await post('/v1/cards', { ...card, callback_url: receiver.url + path });
    expect([made.status, made.body['callback_url']]).toEqual([201, receiver.url + path]);
    const order = { ...purchase, account: card.account };
    expect((await post('/transactions', order)).body).toEqual({ code: '00' });
    const asked = await post('/v1/card-transactions', order);
    expect([asked.status, asked.body]).toEqual([202, { id: asked.body['id'], status: 'pending' }]);
    expect(await taken(path)).toMatchObject({ data: { id: asked.body['id'], code: '00', category: 'CASH' } });
    const changed = await http(`${lastro.url}/v1/cards/${card.account}`, {
      method: 'PATCH',
      body: { callback_url: null },
    });
    expect([changed.status, changed.json()['callback_url']]).toEqual([200, null]);
    expect((await post('/v1/card-transactions', order)).status).toBe(200);
    expect(receiver.at(path)).toHaveLength(1);
  });

  test('is sent also where nothing can be decided', async () => {
    const path = '/answers/2';
    const asked = await post('/v1/card-transactions', {
      ...purchase,
      account: 'nobody',
      callback_url: receiver.url + path,
    });
    expect(asked.status).toBe(202);
    expect(await taken(path)).toMatchObject({ data: { id: asked.body['id'], code: '07' } });
  });

  test('is waited for on the other route, and if nothing may be sent there', async () => {
    const path = '/answers/3';
    const waited = await post('/transactions', { ...purchase, callback_url: receiver.url + path });
    expect([waited.status, waited.body]).toEqual([200, { code: '00' }]);
    const refused = await post('/v1/card-transactions', { ...purchase, callback_url: 'ftp://a.example/' });
    expect([refused.status, refused.body['code']]).toEqual([200, '07']);
    expect(receiver.at(path)).toEqual([]);
  });

  test('survives the process: what it had not sent when it was killed is sent by another', async () => {
    const path = '/answers/4';
    receiver.conduct = () => 'hang';
    const asked = await post('/v1/card-transactions', { ...purchase, callback_url: receiver.url + path });
    await vi.waitUntil(() => receiver.at(path).length === 1, PATIENCE);
    lastro.kill('SIGKILL');
    await lastro.ended;
    receiver.conduct = () => ({ status: 204 });
    lastro = await home.start({ HOST: '127.0.0.1' });
    // Its lease lasts half a minute; nobody needs to wait for it.
    await ask(home.database.url, 'update notification.lanes set due_at = now() where due_at is not null');
    expect(await taken(path)).toMatchObject({ data: { id: asked.body['id'], code: '00' } });
    const [first, second] = receiver.at(path);
    expect(second?.id).toBe(first?.id);
  });
});
