/** The hub as its users meet it: real processes, a real partner, the two example connectors. */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { verify } from '#proof/verify.ts';
import { Partner } from '../sandbox/partner/partner.ts';
import { exampleConnector, HubDesk } from './hub-desk.ts';
import { LastroHome } from './lastro-home.ts';
import { type LastroProcess, runLastro } from './lastro-process.ts';
import { ask, dumpTables, setBack } from './redelivery.ts';

const TOKEN = 'tok_Zm9yIHRoZSBlcnA';
const SHOP_SECRET = `whsec_${Buffer.from('the secret of the shop, 32 bytes').toString('base64')}`;
const HUB_GROUPS = ['hub.validation', 'hub.rules', 'hub.enrichment', 'hub.delivery', 'hub.undo'];
const PATIENT = { timeout: 60_000, interval: 50 };

let home: LastroHome;
let partner: Partner;
let first: LastroProcess;
let hub: HubDesk;
const outputs: (() => string)[] = [];

async function start(): Promise<LastroProcess> {
  const started = await home.start({ LOG_LEVEL: 'debug' });
  outputs.push(started.output);
  return started;
}

beforeAll(async () => {
  partner = await Partner.open({ authorization: `Bearer ${TOKEN}` });
  home = await LastroHome.open();
  first = await start();
  hub = new HubDesk(first.url);
  await hub.putSecret('erp-token', TOKEN);
  await hub.putSecret('shop-webhook', SHOP_SECRET);
});

afterAll(async () => {
  await home.remove();
  await partner.close();
});

const invoice = (number: string, customer = 'c1') => ({
  invoice: number,
  customer,
  lines: [
    { sku: 'a', cents: 1250 },
    { sku: 'b', cents: 50 },
  ],
});

const WAIT = { prefer: 'wait=20' };

describe('the ERP export', () => {
  beforeAll(async () => {
    await hub.putConnector('erp', exampleConnector('erp-export', partner.url));
  });

  test('H1, H2, H8, U17: is enriched, mapped and delivered, under one correlation id from entry to partner', async () => {
    const { status, body } = await hub.send('erp', invoice('i-1'), {
      ...WAIT,
      'x-correlation-id': 'order-1',
    });
    expect([status, body['status'], body['correlation_id']]).toEqual([200, 'delivered', 'order-1']);
    const taken = partner.exports.get(String(body['id']));
    expect(taken).toMatchObject({
      id: body['reference'],
      body: { number: 'i-1', buyer: 'Customer c1', total: 1300 },
      headers: { 'x-correlation-id': 'order-1', 'x-source': 'lastro' },
    });
    const described = await hub.ended(body['id']);
    expect(described).toMatchObject({ verdict: 'complete', findings: [] });
    const timeline = described['timeline'] as { type: string; correlation_id: string }[];
    expect(timeline.map(({ type }) => type)).toEqual([
      'integration.requested',
      'integration.validated',
      'integration.rules_applied',
      'integration.enriched',
      'integration.delivered',
    ]);
    expect(new Set(timeline.map((event) => event.correlation_id))).toEqual(new Set(['order-1']));
  });

  test.each([
    ['a schema', { invoice: 'i-2' }, 'validation', 'hub.message_invalid'],
    ['a rule', { ...invoice('i-3'), lines: [] }, 'rules', 'hub.rule_refuses'],
    ['a look-up', invoice('i-4', 'nobody'), 'enrichment', 'hub.look_up_missing'],
  ])('H3: what %s refuses says why, and goes no further', async (_what, message, step, code) => {
    const { body } = await hub.send('erp', message, WAIT);
    expect(body).toMatchObject({ status: 'refused', failure: { step, code } });
    expect(partner.exports.has(String(body['id']))).toBe(false);
  });

  test('U10: what fails for now is tried again, under one key', async () => {
    partner.behave('fail', 1);
    const { body } = await hub.send('erp', invoice('i-5'), WAIT);
    expect(body['status']).toBe('delivered');
    const { calls } = (await hub.ended(body['id'])) as { calls: { step: string; tries: number }[] };
    expect(calls.find(({ step }) => step === 'delivery')?.tries).toBe(2);
  });

  test('H4, U11: what the partner refuses fails with its answer, and is replayed with another message under the same key', async () => {
    partner.behave('refuse', 1);
    const { body } = await hub.send('erp', invoice('i-6'), WAIT);
    expect(body).toMatchObject({
      status: 'failed',
      failure: { step: 'delivery', code: 'hub.destination_refuses' },
    });
    const replay = await hub.call(
      'POST',
      `/v1/integrations/${String(body['id'])}/replay`,
      { message: invoice('i-6-mended') },
      WAIT,
    );
    expect(replay.body).toMatchObject({ status: 'delivered', replay_of: body['id'] });
    expect(partner.exports.get(String(body['id']))).toMatchObject({ body: { number: 'i-6-mended' } });
    const again = await hub.call('POST', `/v1/integrations/${String(replay.body['id'])}/replay`, {});
    expect([again.status, again.body['code']]).toEqual([409, 'hub.not_replayable']);
  });

  test('a redirection is followed nowhere', async () => {
    partner.behave('redirect', 1);
    const { body } = await hub.send('erp', invoice('i-7'), WAIT);
    expect(body).toMatchObject({ status: 'failed', failure: { code: 'hub.destination_refuses' } });
  });

  test('U5: what was delivered is undone when a person asks, once', async () => {
    const { body } = await hub.send('erp', invoice('i-8'), WAIT);
    const id = String(body['id']);
    expect((await hub.call('POST', `/v1/integrations/${id}/undo`, { reason: ' ' })).status).toBe(400);
    const undone = await hub.call('POST', `/v1/integrations/${id}/undo`, { reason: 'sent twice' }, WAIT);
    expect(undone.body['status']).toBe('undone');
    expect(partner.exports.get(id)?.isUndone).toBe(true);
    const again = await hub.call('POST', `/v1/integrations/${id}/undo`, { reason: 'again' });
    expect([again.status, again.body['code']]).toEqual([409, 'hub.not_undoable']);
    expect(await hub.ended(id)).toMatchObject({ verdict: 'complete', findings: [] });
    // Two who have it done again have it done once.
    const twice = [0, 1].map(() => hub.call('POST', `/v1/integrations/${id}/replay`, {}, WAIT));
    for (const { body: done } of await Promise.all(twice)) expect(done['status']).toBe('delivered');
    const exported = [...partner.exports.values()].filter(
      ({ body: sent }) => (sent as { number: string }).number === 'i-8',
    );
    expect(exported.map(({ isUndone }) => isUndone)).toEqual([true, false]);
  });

  test('U1: what is refused is refused alike under its key, whatever has become of it meanwhile', async () => {
    partner.behave('fail', 2);
    const { body } = await hub.send('erp', invoice('i-10'));
    const id = String(body['id']);
    const undo = (path = id) =>
      hub.call(
        'POST',
        `/v1/integrations/${path}/undo`,
        { reason: 'too soon' },
        { 'idempotency-key': 'soon' },
      );
    const early = await undo();
    expect([early.status, early.body['code']]).toEqual([409, 'hub.not_undoable']);
    expect(await hub.ended(id)).toMatchObject({ status: 'delivered' });
    const late = await undo();
    expect([late.status, late.body]).toEqual([409, early.body]);
    expect(late.headers.get('idempotency-replayed')).toBe('true');
    expect(partner.exports.get(id)?.isUndone).toBe(false);
    const other = await undo('int_nobody');
    expect([other.status, other.body['code']]).toEqual([422, 'hub.idempotency_key_reused']);
  });

  test('U1: a message whose members come in another order is the same message, and another is told where it differs', async () => {
    const key = { 'idempotency-key': 'in-another-order' };
    const message = invoice('i-11');
    const sent = await hub.send('erp', message, key);
    const again = await hub.send('erp', Object.fromEntries(Object.entries(message).toReversed()), key);
    expect([again.status, again.body]).toEqual([202, sent.body]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const other = await hub.send('erp', { ...message, invoice: 'i-12' }, key);
    expect([other.status, other.body['code']]).toEqual([422, 'hub.idempotency_key_reused']);
    expect(other.body['errors']).toMatchObject([{ pointer: '/invoice' }]);
    await hub.ended(sent.body['id']);
  });

  test.each([
    ['integrations', 'int_00000000000000000000000000', 'hub.integration_not_found'],
    ['integrations', 'nothing', 'hub.integration_not_found'],
    ['hooks', 'hok_00000000000000000000000000', 'hub.hook_not_found'],
  ])('U1: the replay of what is not there keeps its key: /%s/%s', async (kind, id, code) => {
    const replay = (of: string) =>
      hub.call('POST', `/v1/${kind}/${of}/replay`, undefined, { 'idempotency-key': `of ${id}` });
    const asked = [await replay(id), await replay(id)];
    for (const { status, body } of asked) expect([status, body['code']]).toEqual([404, code]);
    expect(asked.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    expect((await replay(`${id}1`)).body['code']).toBe('hub.idempotency_key_reused');
  });

  test('U5, U13: what nobody knows the end of is undone, and not left in doubt', async () => {
    const definition = exampleConnector('erp-export', partner.url) as {
      destinations: { erp: Record<string, unknown> };
    };
    Object.assign(definition.destinations.erp, { attempts: 1, timeout_ms: 200 });
    await hub.putConnector('doubtful', definition);
    partner.behave('hang', 1);
    const { body } = await hub.send('doubtful', invoice('i-9'), WAIT);
    expect(body).toMatchObject({ status: 'undone', failure: { code: 'hub.outcome_unknown' } });
    expect(partner.exports.get(String(body['id']))).toMatchObject({ times: 1, isUndone: true });
  });

  test('a connector that cannot work is refused with every place, and one that changed meanwhile too', async () => {
    const { status, body } = await hub.putConnector('broken', {
      entry: { type: 'api', schema: { type: 'strange' } },
      rules: [{ when: 'a +', refuse: 'x' }, { route: 'nowhere' }],
      destinations: { main: { type: 'payment', body: '{' } },
    });
    expect([status, body['code']]).toEqual([422, 'hub.connector_invalid']);
    expect((body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual([
      '/rules/1/route',
      '/entry/schema',
      '/rules/0/when',
      '/destinations/main/body',
    ]);
    const stale = await hub.putConnector('erp', exampleConnector('erp-export', partner.url));
    expect([stale.status, stale.body['code']]).toEqual([412, 'hub.version_changed']);
    const nameless = await hub.call('PUT', '/v1/connectors/erp', exampleConnector('erp-export', partner.url));
    expect([nameless.status, nameless.body['code']]).toEqual([428, 'hub.version_required']);
    expect((await hub.call('PUT', '/v1/connectors/erp', {})).status).toBe(400);
    expect((await hub.send('nobody', {})).body['code']).toBe('hub.connector_not_found');
    expect((await hub.send('erp', undefined)).body['code']).toBe('request.invalid');
  });

  test('a new one needs no version, and a repeat under its key gets its answer', async () => {
    const put = () =>
      hub.call('PUT', '/v1/connectors/new', exampleConnector('erp-export', partner.url), {
        'idempotency-key': 'a-new-connector',
      });
    const made = await put();
    expect([made.status, made.headers.get('etag'), made.body['version']]).toEqual([201, '"1"', 1]);
    const again = await put();
    expect([again.status, again.body]).toEqual([201, made.body]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('what was read is put back as it was read', async () => {
    await hub.putConnector('kept', exampleConnector('erp-export', partner.url));
    const read = await hub.call('GET', '/v1/connectors/kept');
    const put = await hub.call('PUT', '/v1/connectors/kept', read.body, { 'if-match': '"1"' });
    expect([put.status, put.body]).toEqual([200, { ...read.body, version: 2 }]);
    expect((await hub.call('GET', '/v1/connectors/kept')).body).toEqual(put.body);
  });
});

describe('the order webhook', () => {
  const order = (id: string, total = 12.3) =>
    JSON.stringify({
      type: 'order.paid',
      data: { order_id: id, total, currency: 'USD', buyer: 'buyer-1' },
    });
  const signed = (id: string) => ({ secret: SHOP_SECRET, id });

  beforeAll(async () => {
    await hub.putConnector('orders', exampleConnector('order-payment', partner.url));
  });

  async function paymentsOf(reference: string): Promise<{ amount: number }[]> {
    const { body } = await hub.call('GET', `/v1/payments?reference=${reference}`);
    return body['data'] as { amount: number }[];
  }

  test('H1, U18: becomes a payment, once, however often it comes', async () => {
    const taken = await hub.hook('orders', order('o-1'), signed('msg-1'));
    expect([taken.status, taken.body['status']]).toEqual([200, 'accepted']);
    const id = taken.body['integration_id'];
    expect(await hub.ended(id)).toMatchObject({ status: 'delivered', entry: 'webhook' });
    expect(await paymentsOf('o-1')).toMatchObject([{ amount: 1230, wallet_id: 'wal-1234' }]);
    const again = await hub.hook('orders', order('o-1'), signed('msg-1'));
    expect([again.status, again.body['status'], again.body['integration_id']]).toEqual([
      200,
      'duplicate',
      id,
    ]);
    expect(await paymentsOf('o-1')).toHaveLength(1);
  });

  test('U18: tampered, stale and unknown are told nothing, and have no effect', async () => {
    const stale = new Date(Date.now() - 301_000);
    const refusals = [
      await hub.hook('orders', order('o-2'), {
        secret: `whsec_${Buffer.from('x').toString('base64')}`,
        id: 'm',
      }),
      await hub.hook('orders', order('o-2'), { ...signed('msg-2'), at: stale }),
      await hub.call('POST', '/hooks/sandbox/orders', Buffer.from(order('o-2'))),
    ];
    for (const { status, body } of refusals)
      expect([status, body['code'], body['detail']]).toEqual([
        401,
        'hub.hook_unauthentic',
        'The webhook is not authentic.',
      ]);
    for (const path of ['/hooks/sandbox/nobody', '/hooks/nobody/orders', '/hooks/sandbox/erp'])
      expect((await hub.call('POST', path, Buffer.from('{}'))).status).toBe(404);
    expect(await paymentsOf('o-2')).toEqual([]);
    const { body } = await hub.call('GET', '/v1/hooks?connector=orders');
    const verdicts = (body['data'] as { verdict: string }[]).map(({ verdict }) => verdict);
    expect(verdicts).toEqual(['invalid', 'stale', 'invalid', 'valid']);
  });

  test('what was received under a wrong secret is taken when that is mended, once', async () => {
    const other = `whsec_${Buffer.from('the secret that the shop has now').toString('base64')}`;
    expect((await hub.hook('orders', order('o-3'), { secret: other, id: 'msg-3' })).status).toBe(401);
    const { body: listed } = await hub.call('GET', '/v1/hooks?connector=orders&limit=1');
    const [{ id } = { id: '' }] = listed['data'] as { id: string }[];
    await hub.putSecret('shop-webhook', other);
    let tries = 0;
    const replay = (key: string) =>
      hub.call('POST', `/v1/hooks/${id}/replay`, undefined, { 'idempotency-key': key });
    const taken = await vi.waitUntil(async () => {
      const answer = await replay(`try ${++tries}`);
      return answer.status === 200 ? answer : undefined;
    }, PATIENT);
    const sameAgain = await replay(`try ${tries}`);
    expect(sameAgain.body).toEqual(taken.body);
    expect(sameAgain.headers.get('idempotency-replayed')).toBe('true');
    expect(await hub.ended(taken.body['integration_id'])).toMatchObject({ status: 'delivered' });
    expect((await replay('another')).body['status']).toBe('duplicate');
    expect(await paymentsOf('o-3')).toHaveLength(1);
    await hub.putSecret('shop-webhook', SHOP_SECRET);
  });

  test('H8: a rule of the connector refuses with its reason, and no payment is made', async () => {
    const { body } = await vi.waitUntil(async () => {
      const answer = await hub.hook('orders', order('o-4', 10_000.01), signed('msg-4'));
      return answer.status === 200 ? answer : undefined;
    }, PATIENT);
    expect(await hub.ended(body['integration_id'])).toMatchObject({
      status: 'refused',
      failure: { code: 'hub.rule_refuses', detail: 'Orders above 10,000.00 are paid by hand.' },
    });
    expect(await paymentsOf('o-4')).toEqual([]);
  });
});

describe('U19: a connector that gives orders of a part of Lastro', () => {
  const orders = (type: string) => ({
    entry: { type: 'api' },
    destinations: { orders: { type, body: '$' } },
  });

  const keyWith = async (scopes: string) => {
    const created = await runLastro(['keys', 'create', '--scopes', scopes], {
      DATABASE_URL: home.database.url,
      DATA_DIR: home.folder,
    });
    return { authorization: `Bearer ${/lk_\w+/.exec(created)?.[0]}` };
  };

  test('is put by nobody who may not give them', async () => {
    const key = await keyWith('connectors:write,payments:read');
    const parts = { payment: 'payments:write', card_top_up: 'cards:write', cash_entry: 'cash_entries:write' };
    for (const [type, scope] of Object.entries(parts)) {
      const { status, body } = await hub.call('PUT', `/v1/connectors/of-${type}`, orders(type), key);
      expect([status, body['code'], body['scope']]).toEqual([403, 'access.forbidden', scope]);
    }
    expect((await hub.call('GET', '/v1/connectors/of-payment')).status).toBe(404);
    const elsewhere = { type: 'http', method: 'POST', url: partner.url };
    const other = { entry: { type: 'api' }, destinations: { elsewhere } };
    expect((await hub.call('PUT', '/v1/connectors/elsewhere', other, key)).status).toBe(201);
  });

  test('is put by who may, and used by who may send to it', async () => {
    const maker = await keyWith('connectors:write,payments:write');
    const made = await hub.call('PUT', '/v1/connectors/for-others', orders('payment'), maker);
    expect(made.status).toBe(201);
    const sender = await keyWith('integrations:write');
    const payment = {
      wallet_id: 'wal-1234',
      service_id: 'abc-1234',
      amount: 7,
      currency: 'USD',
      method: 'balance',
    };
    const { body } = await hub.send('for-others', payment, { ...WAIT, ...sender });
    expect([body['status'], body['reference']]).toEqual(['delivered', expect.stringMatching(/^pay_/)]);
  });
});

test('U18: what has no id of its sender is told apart by its bytes, and repeats nothing if the id was stripped', async () => {
  await hub.putSecret('plain', 'a-shared-key');
  await hub.putConnector('plain', {
    entry: {
      type: 'webhook',
      signature: { scheme: 'hmac', secret: 'plain', header: 'X-Signature', encoding: 'hex' },
      id_header: 'X-Id',
    },
    destinations: { main: { type: 'http', method: 'POST', url: `${partner.url}/nowhere` } },
  });
  const send = async (body: string, id?: string) => {
    const signature = createHmac('sha256', 'a-shared-key').update(body).digest('hex');
    const headers = {
      'x-signature': signature,
      'x-old-key': 'Key a-shared-key', // H6: of a sender that was not told what is asked for now
      ...(id === undefined ? {} : { 'x-id': id }),
    };
    const answer = await hub.call('POST', '/hooks/sandbox/plain', Buffer.from(body), headers);
    return answer.body['status'];
  };
  expect([await send('{"n":1}', 'a'), await send('{"n":1}', 'a'), await send('{"n":1}', 'b')]).toEqual([
    'accepted',
    'duplicate',
    'accepted',
  ]);
  expect([await send('{"n":1}'), await send('{"n":2}'), await send('{"n":2}')]).toEqual([
    'duplicate',
    'accepted',
    'duplicate',
  ]);
});

test('H4: an expression that loops is stopped and dead-lettered, and others go on', async () => {
  await hub.putConnector('loop', {
    entry: { type: 'api' },
    rules: [{ when: '($f := function($n) { $f($n + 1) }; $f(0))', refuse: 'never' }],
    destinations: { main: { type: 'payment', body: '{}' } },
  });
  const { body } = await hub.send('loop', { a: 1 });
  expect((await hub.send('erp', invoice('i-10'), WAIT)).body['status']).toBe('delivered');
  await vi.waitUntil(async () => {
    const letters = await hub.call('GET', '/v1/dead-letters?target=loop');
    return (letters.body['data'] as { subject: string }[]).some(({ subject }) => subject === body['id']);
  }, PATIENT);
  expect((await hub.call('GET', `/v1/integrations/${String(body['id'])}`)).body).toMatchObject({
    status: 'failed',
    failure: { step: 'rules', code: 'hub.expression_overrun' },
  });
});

test('H8: a message becomes an entry of a cash book', async () => {
  await hub.putConnector('till', {
    entry: { type: 'api' },
    destinations: {
      book: {
        type: 'cash_entry',
        body: '{"account_id": \'book-1234\', "direction": \'credit\', "amount": cents, "occurred_on": day, "description": \'Till\', "category": \'till\'}',
      },
    },
  });
  const sold = { cents: 1250, day: '2026-01-15' };
  const { body } = await hub.send('till', sold, WAIT);
  expect(body['status']).toBe('delivered');
  const { body: listed } = await hub.call('GET', '/v1/cash-entries?account_id=book-1234&category=till');
  expect(listed['data']).toMatchObject([{ amount: 1250, direction: 'credit', occurred_on: '2026-01-15' }]);
  const refused = await hub.send('till', { ...sold, cents: -1 }, WAIT);
  expect(refused.body).toMatchObject({ status: 'failed', failure: { code: 'request.invalid' } });
});

test('a payment of a connector cannot have more metadata than a request may have', async () => {
  await hub.putConnector('pay', {
    entry: { type: 'api' },
    destinations: {
      main: {
        type: 'payment',
        body: '{"wallet_id": \'wal-1234\', "service_id": \'abc-1234\', "amount": 10, "currency": \'USD\', "method": \'balance\', "reference": reference, "metadata": {"note": text}}',
      },
    },
  });
  const reference = randomUUID();
  const { body } = await hub.send('pay', { reference, text: 'a'.repeat(16_384) }, WAIT);
  const detail = '/metadata has more than 16384 characters.';
  expect(body).toMatchObject({ status: 'failed', failure: { code: 'request.invalid', detail } });
  const { body: listed } = await hub.call('GET', `/v1/payments?reference=${reference}`);
  expect(listed['data']).toEqual([]);
});

test('U11: what Lastro has refused is taken when the cause is mended, or the message, and once', async () => {
  await hub.putConnector('second-till', {
    entry: { type: 'api' },
    destinations: {
      book: {
        type: 'cash_entry',
        body: '{"account_id": book, "direction": \'credit\', "amount": 700, "occurred_on": \'2026-01-16\', "description": \'Till\', "category": \'second-till\'}',
      },
    },
  });
  const sold = await Promise.all(
    ['book-5678', 'book-of-nobody'].map((book) => hub.send('second-till', { book }, WAIT)),
  );
  const failure = { step: 'delivery', code: 'ledger.account_not_found' };
  expect(sold.map(({ body }) => body)).toMatchObject([{ failure }, { failure }]);
  await hub.call('POST', '/v1/accounts', { id: 'book-5678', kind: 'cashbook', currency: 'USD' });
  const [asItIs, mended] = sold.map(({ body }) => `/v1/integrations/${String(body['id'])}/replay`);
  const replayed = await Promise.all([
    hub.call('POST', asItIs ?? '', undefined, WAIT),
    hub.call('POST', mended ?? '', { message: { book: 'book-5678' } }, WAIT),
  ]);
  expect(replayed.map(({ body }) => body['status'])).toEqual(['delivered', 'delivered']);
  const { body: listed } = await hub.call('GET', '/v1/cash-entries?account_id=book-5678');
  expect(listed['data']).toHaveLength(2);
});

test('U4: a process that is killed in between loses nothing, and nothing happens twice', async () => {
  const second = await start();
  const desk = new HubDesk(second.url);
  const ids = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const by = index % 2 === 0 ? hub : desk;
      const { status, body } = await by.send('erp', invoice(`k-${index}`, `k${index}`), {
        'idempotency-key': randomUUID(),
      });
      expect(status).toBe(202);
      return String(body['id']);
    }),
  );
  second.kill('SIGKILL');
  for (const id of ids)
    expect(await hub.ended(id)).toMatchObject({ status: 'delivered', verdict: 'complete' });
  const taken = ids.map((id) => partner.exports.get(id));
  expect(taken.every((each) => each !== undefined)).toBe(true);
  hub.answers.push(...desk.answers);
});

test('U3: every event of the hub delivered again changes nothing', async () => {
  const { url } = home.database;
  /** Days are sealed when their time has come, whatever is delivered. */
  const isSealing = (head: string) => head.startsWith('(consolidation,');
  const tables = async () => {
    const { 'log.heads': heads = [], ...others } = await dumpTables(url);
    const ofHub = Object.entries(others).filter(([name]) => name.startsWith('hub.'));
    return [...ofHub, ['log.heads', heads.filter((head) => !isSealing(head))]];
  };
  const before = await tables();
  first.kill('SIGTERM');
  await first.ended;
  await setBack(url, HUB_GROUPS);
  const takenBefore = [...partner.exports.values()].map(({ times }) => times);
  first = await start();
  hub.url = first.url;
  await vi.waitUntil(async () => {
    const behind = await ask(
      url,
      `select from log.positions p join log.heads h using (topic, partition)
       where p.consumer_group = any ($1) and p.position < h.position`,
      [HUB_GROUPS],
    );
    return behind.length === 0;
  }, PATIENT);
  expect(await tables()).toEqual(before);
  expect([...partner.exports.values()].map(({ times }) => times)).toEqual(takenBefore);
});

test('U14: what went through the hub is proved', async () => {
  const { checks } = await verify({ url: home.database.url });
  expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
  expect(checks.find(({ name }) => name === 'integrations')?.checked).toBeGreaterThan(10);
});

test('H6: no secret is in clear in any table, log line or answer', async () => {
  const secrets = ['a-shared-key', TOKEN, SHOP_SECRET, SHOP_SECRET.slice('whsec_'.length)];
  const hidden = secrets.flatMap((secret) => [
    secret,
    Buffer.from(secret).toString('hex'),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  ]);
  const tables = Object.entries(await dumpTables(home.database.url));
  const places = [
    ...tables.map(([name, rows]) => [name, rows.join('\n')] as const),
    ...outputs.map((output, index) => [`log ${index}`, output()] as const),
    ['answers', hub.answers.join('\n')] as const,
  ];
  expect(tables.find(([name]) => name === 'vault.secrets')?.[1]).toHaveLength(3);
  const found = places.filter(([, text]) => hidden.some((secret) => text.includes(secret)));
  expect(found.map(([place]) => place)).toEqual([]);
});
