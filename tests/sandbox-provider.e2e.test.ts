/** The protocol of the sandbox provider, seen from outside, over HTTP. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CallbackReceiver } from './callback-receiver.ts';
import { type HttpAnswer, http } from './lastro-process.ts';
import { PROVIDER_SECRET, ProviderHome, type ProviderProcess } from './provider-process.ts';

const SOON = { timeout: 10_000, interval: 10 };
/** Long enough for an answer that comes at all. */
const NO_ANSWER_MS = 700;

let home: ProviderHome;
let receiver: CallbackReceiver;
let provider: ProviderProcess;
let made = 0;

beforeAll(async () => {
  receiver = await CallbackReceiver.open(PROVIDER_SECRET);
  home = new ProviderHome();
  provider = await home.start({ '--callback-url': receiver.url });
});

afterAll(async () => {
  await home.remove();
  await receiver.close();
});

function newKey(): string {
  made += 1;
  return `att_${made}`;
}

function statusOf(answer: HttpAnswer): unknown {
  return answer.json()['status'];
}

function codeOf(answer: HttpAnswer): unknown {
  return [answer.status, answer.json()['code']];
}

async function bookStatus(key: string): Promise<unknown> {
  const answer = await provider.inquire(key);
  return answer.status === 404 ? 'absent' : statusOf(answer);
}

/** A key whose charge, and no other, is served by the behaviour, once. */
async function keyFor(behaviour: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const key = newKey();
  await provider.misbehave(behaviour, { match: { reference: `ref-${key}` }, ...more });
  return key;
}

function told(key: string): unknown[][] {
  return receiver.of(key).map(({ type, fault }) => (fault === undefined ? [type] : [type, fault]));
}

describe('a charge', () => {
  test('is answered with its document, and the same again with the same document', async () => {
    const key = newKey();
    const first = await provider.charge(key, { description: 'tea' });
    expect(first.status).toBe(201);
    expect(first.json()).toEqual({
      id: expect.stringMatching(/^ch_/) as string,
      key,
      reference: `ref-${key}`,
      amount: 1230,
      currency: 'USD',
      status: 'approved',
      decline: null,
      created_at: expect.stringMatching(/Z$/) as string,
      updated_at: expect.stringMatching(/Z$/) as string,
    });
    const again = await provider.charge(key, { description: 'tea' });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(again.text).toBe(first.text);
    expect((await provider.inquire(key)).text).toBe(first.text);
  });

  test('is made once of twenty at the same time', async () => {
    const key = newKey();
    const answers = await Promise.all(Array.from({ length: 20 }, () => provider.charge(key)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  test('with another body under the same key is refused', async () => {
    const key = newKey();
    await provider.charge(key);
    expect(codeOf(await provider.charge(key, { amount: 1231 }))).toEqual([422, 'idempotency_key_reused']);
  });

  test('that was never made is not found', async () => {
    expect(codeOf(await provider.inquire(newKey()))).toEqual([404, 'charge_not_found']);
  });

  test('without a callback for what its answer told', async () => {
    const [plain, pending] = [newKey(), await keyFor('pending', { delay_ms: 0 })];
    await provider.charge(plain);
    await provider.charge(pending);
    await expect.poll(() => told(pending), SOON).toEqual([['charge.approved']]);
    expect(told(plain)).toEqual([]);
  });
});

describe('a void', () => {
  test('of a key never seen keeps every later charge out', async () => {
    const key = newKey();
    for (const _ of [1, 2]) {
      const answer = await provider.void(key);
      expect([answer.status, answer.json()]).toEqual([200, { key, status: 'voided' }]);
    }
    expect(codeOf(await provider.charge(key))).toEqual([409, 'charge_voided']);
    expect(await bookStatus(key)).toBe('absent');
  });

  test('of an approved charge says so, and changes nothing', async () => {
    const key = newKey();
    await provider.charge(key);
    const answer = await provider.void(key);
    expect(codeOf(answer)).toEqual([409, 'charge_approved']);
    expect(answer.json()['charge']).toMatchObject({ key, status: 'approved', amount: 1230 });
    expect(await bookStatus(key)).toBe('approved');
  });

  test('of a pending charge ends it without a callback', async () => {
    const [key, next] = [
      await keyFor('pending', { delay_ms: 1500 }),
      await keyFor('pending', { delay_ms: 1600 }),
    ];
    await provider.charge(key);
    expect(statusOf(await provider.void(key))).toBe('voided');
    await provider.charge(next);
    await expect.poll(() => told(next), SOON).toEqual([['charge.approved']]);
    expect([await bookStatus(key), told(key)]).toEqual(['voided', []]);
    expect(codeOf(await provider.charge(key))).toEqual([409, 'charge_voided']);
  });

  test('of a declined charge shows it', async () => {
    const key = await keyFor('decline');
    await provider.charge(key);
    const answer = await provider.void(key);
    expect([answer.status, statusOf(answer)]).toEqual([200, 'declined']);
  });

  test('and a charge at the same time have one winner', async () => {
    for (let round = 0; round < 20; round += 1) {
      const key = newKey();
      const [charged, voided] = await Promise.all([provider.charge(key), provider.void(key)]);
      expect([
        [201, 409],
        [409, 200],
      ]).toContainEqual([charged.status, voided.status]);
    }
  });
});

describe('a refund', () => {
  test('is accepted, and a callback tells that it succeeded', async () => {
    const [charge, key] = [newKey(), newKey()];
    await provider.charge(charge);
    const answer = await provider.refund(key, charge);
    expect([answer.status, answer.json()]).toEqual([
      202,
      {
        id: expect.stringMatching(/^re_/) as string,
        key,
        charge,
        reference: `ref-${key}`,
        amount: 1230,
        currency: 'USD',
        status: 'pending',
        failure: null,
        created_at: expect.any(String) as string,
        updated_at: expect.any(String) as string,
      },
    ]);
    await expect.poll(() => told(key), SOON).toEqual([['refund.succeeded']]);
    const [callback] = receiver.of(key);
    expect(callback?.body['data']).toEqual((await provider.call(`/refunds/${key}`)).json());
    const again = await provider.refund(key, charge);
    expect([again.status, again.headers.get('idempotency-replayed'), statusOf(again)]).toEqual([
      200,
      'true',
      'succeeded',
    ]);
  });

  test('never gives back more than was charged, also when twenty race', async () => {
    const charge = newKey();
    await provider.charge(charge, { amount: 1000 });
    const racing = Array.from({ length: 20 }, () => provider.refund(newKey(), charge, { amount: 101 }));
    const answers = await Promise.all(racing);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(9);
    expect(answers.filter(({ status }) => status === 422).map(codeOf)).toEqual(
      Array.from({ length: 11 }, () => [422, 'refund_exceeds_charge']),
    );
    expect(codeOf(await provider.refund(newKey(), charge, { amount: 92 }))).toEqual([
      422,
      'refund_exceeds_charge',
    ]);
    expect((await provider.refund(newKey(), charge, { amount: 91 })).status).toBe(202);
  });

  test('that failed gives nothing back', async () => {
    const [charge, key] = [newKey(), newKey()];
    await provider.charge(charge);
    await provider.misbehave('refund_fails', { match: { reference: `ref-${key}` }, delay_ms: 0 });
    expect((await provider.refund(key, charge)).status).toBe(202);
    await expect.poll(() => told(key), SOON).toEqual([['refund.failed']]);
    expect((await provider.call(`/refunds/${key}`)).json()).toMatchObject({
      status: 'failed',
      failure: { code: 'account_closed' },
    });
    expect((await provider.refund(newKey(), charge)).status).toBe(202);
  });

  test('of what was not charged, or was declined, is refused', async () => {
    const declined = await keyFor('decline');
    await provider.charge(declined);
    expect(codeOf(await provider.refund(newKey(), newKey()))).toEqual([404, 'charge_not_found']);
    expect(codeOf(await provider.refund(newKey(), declined))).toEqual([422, 'charge_not_approved']);
    expect(codeOf(await provider.call('/refunds/none'))).toEqual([404, 'refund_not_found']);
  });

  test('that is told to succeed at once has no callback', async () => {
    const [charge, key] = [newKey(), newKey()];
    await provider.charge(charge);
    await provider.misbehave('refund_succeeds', { match: { reference: `ref-${key}` }, times: 1 });
    const answer = await provider.refund(key, charge);
    expect([answer.status, statusOf(answer)]).toEqual([201, 'succeeded']);
  });
});

describe('a request', () => {
  test('needs the key, but for health', async () => {
    for (const headers of [{ authorization: '' }, { authorization: 'Bearer wrong' }])
      expect(codeOf(await provider.call('/book', { headers }))).toEqual([401, 'unauthorized']);
    const health = await http(`${provider.url}/health`);
    expect([health.status, health.json()]).toEqual([200, { name: 'alfa', status: 'ok' }]);
  });

  test('that is refused gets a problem document', async () => {
    const answer = await provider.inquire('none');
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json()).toEqual({
      type: 'urn:lastro:sandbox-provider:charge_not_found',
      title: expect.any(String) as string,
      status: 404,
      code: 'charge_not_found',
      detail: 'No charge has the key none.',
    });
  });

  test.each([
    ['an amount of nothing', { amount: 0 }],
    ['an amount with decimals', { amount: 12.3 }],
    ['an amount as text', { amount: '1230' }],
    ['a currency in small letters', { currency: 'usd' }],
    ['no reference', { reference: null }],
    ['a member that is not known', { ammount: 1 }],
  ])('with %s is refused by name', async (_case, change) => {
    const answer = await provider.charge(newKey(), change);
    expect(codeOf(answer)).toEqual([400, 'malformed_request']);
    expect(answer.json()['detail']).toContain(Object.keys(change)[0]);
  });

  test('without a key, that is no JSON, that is too large, or that has no route', async () => {
    expect(codeOf(await provider.call('/charges', { body: {} }))).toEqual([400, 'idempotency_key_required']);
    const headers = { 'idempotency-key': newKey() };
    expect(codeOf(await provider.call('/charges', { headers, body: '{' }))).toEqual([
      400,
      'malformed_request',
    ]);
    const large = 'x'.repeat(65 * 1024);
    expect(codeOf(await provider.call('/charges', { headers, body: large }))).toEqual([
      413,
      'body_too_large',
    ]);
    expect(codeOf(await provider.call('/nothing'))).toEqual([404, 'route_not_found']);
    expect(codeOf(await provider.call('/charges/a/void/b', { method: 'POST' }))).toEqual([
      404,
      'route_not_found',
    ]);
  });
});

describe('the book', () => {
  test('is read from the oldest to the newest, page by page', async () => {
    const [charge, refund] = [newKey(), newKey()];
    await provider.charge(charge);
    await provider.refund(refund, charge);
    const entries: Record<string, unknown>[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const page: Record<string, unknown> = (await provider.call(`/book?after=${after}&limit=7`)).json();
      const found = page['entries'] as Record<string, unknown>[];
      expect(found.length).toBeLessThanOrEqual(7);
      entries.push(...found);
      after = page['next'] as number | null;
    }
    expect(entries.map(({ position }) => position)).toEqual(entries.map((_, index) => index + 1));
    expect(entries.slice(-2)).toMatchObject([
      { kind: 'charge', key: charge, amount: 1230, currency: 'USD', status: 'approved' },
      { kind: 'refund', key: refund, charge },
    ]);
  });

  test('a page of no sound size is refused', async () => {
    for (const query of ['limit=1001', 'limit=x', 'after=-1'])
      expect((await provider.call(`/book?${query}`)).status).toBe(400);
  });
});

describe('told to', () => {
  test('decline, it declines, with the code that it was told', async () => {
    const [usual, own] = [await keyFor('decline'), await keyFor('decline', { code: 'stolen_card' })];
    const answer = await provider.charge(usual);
    expect([answer.status, answer.json()]).toMatchObject([
      201,
      { status: 'declined', decline: { code: 'insufficient_funds' } },
    ]);
    expect((await provider.charge(own)).json()).toMatchObject({ decline: { code: 'stolen_card' } });
    expect((await provider.charge(usual)).status).toBe(200);
  });

  test.each([
    ['error_before', 500, 'provider_error', 'absent'],
    ['error_after', 500, 'provider_error', 'approved'],
    ['throttle', 429, 'throttled', 'absent'],
    ['timeout_not_charged', 504, 'provider_timeout', 'absent'],
  ])('%s: %d %s, and the charge is %s', async (behaviour, status, code, inBook) => {
    const key = await keyFor(behaviour, { delay_ms: 50, times: 1 });
    expect(codeOf(await provider.charge(key))).toEqual([status, code]);
    expect(await bookStatus(key)).toBe(inBook);
    expect((await provider.charge(key)).status).toBe(inBook === 'absent' ? 201 : 200);
  });

  test('throttle, it says when to come again', async () => {
    const answers = [await keyFor('throttle'), await keyFor('throttle', { retry_after_s: 7 })].map((key) =>
      provider.charge(key),
    );
    const headers = (await Promise.all(answers)).map((answer) => answer.headers.get('retry-after'));
    expect(headers).toEqual(['1', '7']);
  });

  test.each([
    ['hang', 'absent'],
    ['hang_charged', 'approved'],
    ['timeout_charged', 'approved'],
    ['timeout_not_charged', 'absent'],
  ])('%s, it does not answer, and the charge is %s', async (behaviour, inBook) => {
    const key = await keyFor(behaviour);
    await expect(provider.charge(key, {}, NO_ANSWER_MS)).rejects.toThrow(/timeout/i);
    expect(await bookStatus(key)).toBe(inBook);
  });

  test.each([
    ['timeout_charged', 201],
    ['timeout_not_charged', 504],
    ['slow', 201],
  ])('%s, it answers after the delay', async (behaviour, status) => {
    const key = await keyFor(behaviour, { delay_ms: 300 });
    const startedAt = performance.now();
    expect((await provider.charge(key)).status).toBe(status);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(290);
  });

  test.each([
    ['garbage', 'approved'],
    ['garbage_not_charged', 'absent'],
  ])('answer %s, its body is no JSON, and the charge is %s', async (behaviour, inBook) => {
    const answer = await provider.charge(await keyFor(behaviour));
    expect(answer.status).toBe(200);
    expect(() => answer.json()).toThrow(SyntaxError);
    expect(await bookStatus(`att_${made}`)).toBe(inBook);
  });

  test.each(['error_after', 'hang_charged', 'garbage', 'timeout_charged'])(
    'hide its answer (%s), it tells by a callback',
    async (behaviour) => {
      const key = await keyFor(behaviour, { delay_ms: 50 });
      await provider.charge(key, {}, NO_ANSWER_MS).catch(() => undefined);
      await expect.poll(() => told(key), SOON).toEqual([['charge.approved']]);
    },
  );

  test.each([
    ['pending', 'approved', [['charge.approved']]],
    ['pending_decline', 'declined', [['charge.declined']]],
    ['callback_late', 'approved', [['charge.approved']]],
    ['callback_twice', 'approved', [['charge.approved'], ['charge.approved'], ['charge.approved']]],
    ['callback_out_of_order', 'approved', [['charge.approved'], ['charge.pending']]],
    [
      'callback_bad_signature',
      'approved',
      [['charge.approved', 'No matching signature found'], ['charge.approved']],
    ],
    ['callback_stale', 'approved', [['charge.approved', 'Message timestamp too old'], ['charge.approved']]],
  ])('%s, it says pending, and later %s by callbacks', async (behaviour, final, callbacks) => {
    const key = await keyFor(behaviour, { delay_ms: 1000 });
    const answer = await provider.charge(key);
    expect([answer.status, statusOf(answer)]).toEqual([201, 'pending']);
    expect([await bookStatus(key), told(key)]).toEqual(['pending', []]);
    await expect.poll(() => told(key), SOON).toEqual(callbacks);
    expect(await bookStatus(key)).toBe(final);
  });

  test('call back twice, the third has another id', async () => {
    const key = await keyFor('callback_twice', { delay_ms: 0 });
    await provider.charge(key);
    await expect.poll(() => receiver.of(key).length, SOON).toBe(3);
    const [first, second, third] = receiver.of(key).map(({ id }) => id);
    expect([second === first, third === first]).toEqual([true, false]);
  });

  test('call back before it answers, the callback comes first', async () => {
    const key = await keyFor('callback_before_answer');
    const answer = await provider.charge(key);
    expect([answer.status, statusOf(answer), told(key)]).toEqual([201, 'approved', [['charge.approved']]]);
  });

  test('contradict itself, the callback says declined and the book approved', async () => {
    const key = await keyFor('callback_contradicts');
    expect(statusOf(await provider.charge(key))).toBe('approved');
    await expect.poll(() => told(key), SOON).toEqual([['charge.declined']]);
    expect(receiver.of(key)[0]?.status).toBe('declined');
    expect(await bookStatus(key)).toBe('approved');
  });

  test('misbehave with inquiries or voids, charges go on', async () => {
    const key = newKey();
    await provider.charge(key);
    await provider.misbehave('error_before', { match: { operation: 'inquiry' }, times: 1 });
    await provider.misbehave('error_after', { match: { operation: 'void' }, times: 1 });
    expect((await provider.charge(newKey())).status).toBe(201);
    expect((await provider.inquire(key)).status).toBe(500);
    const voided = newKey();
    expect((await provider.void(voided)).status).toBe(500);
    expect(codeOf(await provider.charge(voided))).toEqual([409, 'charge_voided']);
  });

  test('misbehave with refunds, what was done is told by a callback', async () => {
    const [charge, lost, hidden] = [newKey(), newKey(), newKey()];
    await provider.charge(charge);
    await provider.misbehave('error_before', { match: { reference: `ref-${lost}`, operation: 'refund' } });
    await provider.misbehave('garbage', { match: { reference: `ref-${hidden}`, operation: 'refund' } });
    expect((await provider.refund(lost, charge)).status).toBe(500);
    expect((await provider.call(`/refunds/${lost}`)).status).toBe(404);
    expect((await provider.refund(hidden, charge)).status).toBe(200);
    await expect.poll(() => told(hidden), SOON).toEqual([['refund.succeeded']]);
  });

  test('refuse connections, it does, cuts those that are open, and comes back on its port', async () => {
    const hanging = provider.charge(await keyFor('hang')).catch((error: unknown) => error);
    await provider.misbehave('refuse_connections', { for_ms: 800 });
    await expect.poll(() => isListening(provider.url), SOON).toBe(false);
    expect(await hanging).toBeInstanceOf(TypeError);
    await expect.poll(() => isListening(provider.url), SOON).toBe(true);
    expect((await provider.charge(newKey())).status).toBe(201);
  });

  test('hang on every charge, its health hangs too, and orders are taken all the same', async () => {
    await provider.misbehave('hang', { times: 5 });
    await expect(provider.call('/health', { timeoutMs: NO_ANSWER_MS })).rejects.toThrow(/timeout/i);
    const listed = (await provider.call('/behaviours')).json()['behaviours'] as { id: string }[];
    expect(listed[0]).toMatchObject({ behaviour: 'hang', times: 5, match: { operation: 'charge' } });
    const removed = await provider.call(`/behaviours/${listed[0]?.id}`, { method: 'DELETE' });
    expect(removed.status).toBe(204);
    expect((await provider.call('/health')).status).toBe(200);
    expect((await provider.call('/behaviours', { method: 'DELETE' })).status).toBe(204);
    expect((await provider.call('/behaviours')).json()).toEqual({ behaviours: [] });
    expect(codeOf(await provider.call('/behaviours/bhv_0', { method: 'DELETE' }))).toEqual([
      404,
      'behaviour_not_found',
    ]);
  });

  test('something that it does not know, it says what it knows', async () => {
    const answer = await provider.call('/behaviours', { body: { behaviour: 'explode' } });
    expect(codeOf(answer)).toEqual([400, 'malformed_request']);
    expect(answer.json()['detail']).toContain('callback_before_answer');
  });
});

function isListening(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

describe('after kill −9', () => {
  test('every charge that was answered is in the book, and no key is charged anew', async () => {
    const own = new ProviderHome();
    const killed = await own.start();
    const answered = new Map<string, string>();
    const killing = new AbortController();
    const charging = Array.from({ length: 16 }, async (_, worker) => {
      for (let count = 0; !killing.signal.aborted; count += 1) {
        const key = `att_${worker}_${count}`;
        const answer = await killed.charge(key).catch(() => undefined);
        if (answer?.status === 201) answered.set(key, answer.text);
      }
    });
    await expect.poll(() => answered.size, SOON).toBeGreaterThan(300);
    await killed.end('SIGKILL');
    killing.abort();
    await Promise.all(charging);
    const next = await own.start();
    for (const [key, text] of answered) expect((await next.inquire(key)).text).toBe(text);
    const [known] = [...answered.keys()];
    expect((await next.charge(String(known))).status).toBe(200);
    await own.remove();
  });

  test('what was pending is decided, what was owed is called back, voids and refunds are remembered', async () => {
    const own = new ProviderHome();
    const options = { '--callback-url': receiver.url };
    const killed = await own.start(options);
    await killed.misbehave('pending_decline', { match: { amount: 77 }, delay_ms: 1000 });
    await killed.charge('att_pending_over', { amount: 77 });
    await killed.charge('att_refunded_over');
    receiver.status = 503;
    await killed.refund('ref_owed_over', 'att_refunded_over', { amount: 1000 });
    await killed.void('att_voided_over');
    await expect.poll(() => receiver.of('ref_owed_over').length, SOON).toBeGreaterThan(0);
    await killed.end('SIGKILL');
    const before = receiver.of('ref_owed_over').length;
    receiver.status = 204;
    const next = await own.start(options);
    await expect.poll(() => told('att_pending_over').at(-1), SOON).toEqual(['charge.declined']);
    await expect.poll(() => told('ref_owed_over')[before], SOON).toEqual(['refund.succeeded']);
    expect(new Set(receiver.of('ref_owed_over').map(({ id }) => id)).size).toBe(1);
    expect(codeOf(await next.charge('att_voided_over'))).toEqual([409, 'charge_voided']);
    expect((await next.refund('ref_more', 'att_refunded_over', { amount: 231 })).status).toBe(422);
    await own.remove();
  });

  test('a torn last line is cut off, a damaged one in the middle is named', async () => {
    const own = new ProviderHome();
    const killed = await own.start();
    await killed.charge('att_whole');
    await killed.end('SIGKILL');
    appendFileSync(own.book, '{"document":{"kind":"charge","key":"att_to');
    const next = await own.start();
    expect((await next.inquire('att_whole')).status).toBe(200);
    await next.charge('att_after');
    expect(await next.end('SIGTERM')).toBe(0);
    expect(readFileSync(own.book, 'utf8').trim().split('\n')).toHaveLength(2);
    writeFileSync(own.book, `{"torn\n${readFileSync(own.book, 'utf8')}`);
    await expect(own.start()).rejects.toThrow(/line 1 of the book .* is damaged: move the file away/);
    await own.remove();
  });
});

describe('a callback', () => {
  test('is sent again until it is taken', async () => {
    receiver.status = 500;
    const key = await keyFor('pending', { delay_ms: 0 });
    await provider.charge(key);
    await expect.poll(() => told(key).length, SOON).toBeGreaterThan(0);
    receiver.status = 204;
    await expect.poll(() => told(key).length, SOON).toBeGreaterThan(1);
    const [first, second] = receiver.of(key);
    expect(second?.id).toBe(first?.id);
    expect((second?.receivedAt ?? 0) - (first?.receivedAt ?? 0)).toBeGreaterThanOrEqual(950);
  });
});

test('on SIGTERM it ends with 0, whatever hangs', async () => {
  const own = new ProviderHome();
  const ending = await own.start();
  await ending.misbehave('hang', { times: 1 });
  const hanging = ending.charge('att_hanging').catch((error: unknown) => error);
  const orders = async (): Promise<unknown> => (await ending.call('/behaviours')).json()['behaviours'];
  await expect.poll(orders, SOON).toEqual([]);
  expect(await ending.end('SIGTERM')).toBe(0);
  expect(await hanging).toBeInstanceOf(Error);
  await own.remove();
});

test('with a latency of its own, every answer takes that long', async () => {
  const own = new ProviderHome();
  const slow = await own.start({ '--latency-ms': '200' });
  const startedAt = performance.now();
  expect((await slow.charge('att_slow')).status).toBe(201);
  expect((await slow.inquire('att_slow')).status).toBe(200);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(390);
  await own.remove();
});
