/** The card authorizer as its callers see it: a real process, real HTTP. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';

/** The machine of a test may be slow; what is tested against the clock says so. */
const PATIENT = { 'x-deadline-ms': '10000' };

let home: LastroHome;
let lastro: LastroProcess;
let other: LastroProcess;

beforeAll(async () => {
  home = await LastroHome.open();
  lastro = await home.start({ HOST: '127.0.0.1' });
  other = await home.start({ HOST: '127.0.0.1' });
});
afterAll(() => home.remove());

const PURCHASE = {
  account: '123',
  totalAmount: 100,
  mcc: '5811',
  merchant: 'PADARIA DO ZE               SAO PAULO BR',
};

function decide(body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  return http(`${lastro.url}/v1/card-transactions`, { body, headers: { ...PATIENT, ...headers } });
}

let keys = 0;
function post(path: string, body: unknown): Promise<HttpAnswer> {
  keys += 1;
  return http(`${other.url}${path}`, { body, headers: { 'idempotency-key': `cards-${keys}` } });
}

async function cardOf(account: string) {
  const answer = await http(`${other.url}/v1/cards/${account}`);
  return answer.json() as {
    balances: Record<string, number>;
    held: Record<string, number>;
    card_transactions: Record<string, unknown>[];
  };
}

async function givenCard(account: string, balances: Record<string, number>): Promise<void> {
  const answer = await post('/v1/cards', { account, currency: 'BRL', balances });
  if (answer.status !== 201) throw new Error(answer.text);
}

describe('K1: the source’s own request, on a fresh sandbox', () => {
  test('is answered 200 and a code, and nothing else', async () => {
    const text = `{"account": "123", "totalAmount": 100.00, "mcc": "5811", "merchant": "${PURCHASE.merchant}"}`;
    const answer = await http(`${lastro.url}/transactions`, { body: text, headers: PATIENT });
    expect([answer.status, answer.text]).toEqual([200, '{"code":"00"}']);
    expect((await cardOf('123')).balances).toEqual({ FOOD: 100_000, MEAL: 90_000, CASH: 100_000 });
  });

  test('K9: on the v1 route with what decided', async () => {
    const answer = await decide({ ...PURCHASE, totalAmount: 0.01, mcc: '5411' });
    expect(answer.json()).toEqual({
      id: expect.stringMatching(/^ctx_/) as string,
      code: '00',
      category: 'FOOD',
      decided_by: 'mcc',
      latency_ms: expect.any(Number) as number,
    });
  });

  test.each([
    ['UBER EATS                   SAO PAULO BR', 'MEAL'],
    ['UBER TRIP                   SAO PAULO BR', 'CASH'],
    ['PAG*JoseDaSilva          RIO DE JANEI BR', 'CASH'],
    ['PICPAY*BILHETEUNICO           GOIANIA BR', 'CASH'],
  ])('K4: %j is paid by %s, whatever its category code', async (merchant, category) => {
    const answer = await decide({ ...PURCHASE, totalAmount: 0.01, mcc: '5411', merchant });
    expect(answer.json()).toMatchObject({ code: '00', category, decided_by: 'merchant_rule' });
  });

  test('in JSON in UTF-8, whatever else the content type says', async () => {
    const named = { 'content-type': 'application/json; profile=iso8583; charset="UTF-8"' };
    const purchase = { ...PURCHASE, totalAmount: 0.01, mcc: '5411' };
    for (const headers of [named, { 'content-encoding': 'identity' }])
      expect((await decide(purchase, headers)).json()).toMatchObject({ code: '00' });
  });

  test('51 if no balance can pay', async () => {
    expect((await decide({ ...PURCHASE, totalAmount: 5000 })).json()).toMatchObject({ code: '51' });
  });
});

describe('K7: who comes too often', () => {
  test('is 429 as everywhere, and not 07: an approval may stand', async () => {
    // The sandbox seeds itself by requests of its own.
    const limited = await home.start({ HOST: '127.0.0.1', RATE_LIMIT: '30' });
    const body = { ...PURCHASE, totalAmount: 0.01, id: 'too-often' };
    const asked = Array.from({ length: 100 }, () =>
      http(`${limited.url}/v1/card-transactions`, { body, headers: PATIENT }),
    );
    const answers = await Promise.all(asked);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, text } of refused) {
      expect(status).toBe(429);
      expect(JSON.parse(text)).toMatchObject({ code: 'request.rate_limited' });
    }
    for (const { text } of answers.filter(({ status }) => status === 200))
      expect(JSON.parse(text)).toMatchObject({ code: '00' });
  });
});

describe('K7: what cannot be decided is 200 and 07, and is recorded with its reason', () => {
  test.each<[string, string | undefined, Record<string, string>, string]>([
    ['no body', undefined, {}, 'unreadable'],
    ['an empty body', '', {}, 'unreadable'],
    ['broken JSON', '{', {}, 'unreadable'],
    ['another content type', JSON.stringify(PURCHASE), { 'content-type': 'text/plain' }, 'unreadable'],
    [
      'another charset',
      JSON.stringify(PURCHASE),
      { 'content-type': 'application/json; charset=latin1' },
      'unreadable',
    ],
    ['a body of 2 MiB', ' '.repeat(2 ** 21), {}, 'unreadable'],
    ['an impossible deadline', JSON.stringify(PURCHASE), { 'x-deadline-ms': '0' }, 'unreadable'],
    ['two keys', JSON.stringify(PURCHASE), { 'idempotency-key': 'a', 'x-idempotent-key': 'b' }, 'unreadable'],
    ['no account', JSON.stringify({ ...PURCHASE, account: undefined }), {}, 'missing_field'],
    ['an unknown account', JSON.stringify({ ...PURCHASE, account: 'nobody' }), {}, 'unknown_account'],
    ['an amount of nothing', JSON.stringify({ ...PURCHASE, totalAmount: 0 }), {}, 'amount_not_positive'],
  ])('%s', async (_, body, headers, reason) => {
    const before = (await cardOf('123')).balances;
    const answer = await http(`${lastro.url}/v1/card-transactions`, {
      method: 'POST',
      headers: { ...PATIENT, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    expect([answer.status, (answer.json() as { code: string }).code]).toEqual([200, '07']);
    const { id } = answer.json() as { id: string };
    expect((await http(`${other.url}/v1/card-transactions/${id}`)).json()).toMatchObject({
      code: '07',
      reason,
    });
    expect((await cardOf('123')).balances).toEqual(before);
  });

  test('U19: who is not known is refused as everywhere', async () => {
    const headers = { authorization: 'Bearer lk_nobody_nothing' };
    const answer = await http(`${lastro.url}/transactions`, { body: PURCHASE, headers });
    expect([answer.status, answer.json()['code']]).toEqual([401, 'access.unauthenticated']);
  });
});

test('K5: who would wait for longer than 30 s is answered within them', async () => {
  const answer = await decide({ ...PURCHASE, totalAmount: 1 }, { 'x-deadline-ms': '60000' });
  expect(answer.json()).toMatchObject({ code: '00' });
});

test('K6: an id in the body or in the header is answered once, in every process', async () => {
  const first = await decide({ ...PURCHASE, totalAmount: 1 }, { 'idempotency-key': 'repeat' });
  const repeat = await http(`${other.url}/v1/card-transactions`, {
    body: { ...PURCHASE, totalAmount: 1, id: 'repeat' },
    headers: PATIENT,
  });
  expect(repeat.text).toBe(first.text);
  expect(repeat.headers.get('idempotency-replayed')).toBe('true');
  const reused = await decide({ ...PURCHASE, totalAmount: 2, id: 'repeat' });
  expect(reused.json()).toMatchObject({ code: '07' });
});

describe('K5: 07 means not applied', () => {
  async function locking(account: string): Promise<() => Promise<void>> {
    const owner = new Client({ connectionString: home.database.url });
    await owner.connect();
    await owner.query('begin');
    await owner.query(
      `select from ledger.balances b join ledger.accounts a on a.key = b.account_key where a.id = $1 for update of b`,
      [`${account}:CASH`],
    );
    return () => owner.end();
  }

  test('a card locked for longer than 100 ms is 07, and others are decided beside it', async () => {
    await givenCard('locked', { MEAL: 1000 });
    const unlock = await locking('locked');
    const startedAt = performance.now();
    const waiting = http(`${lastro.url}/transactions`, {
      body: { ...PURCHASE, account: 'locked', totalAmount: 1 },
    });
    expect((await decide({ ...PURCHASE, totalAmount: 0.01 })).json()).toMatchObject({ code: '00' });
    expect((await waiting).json()).toEqual({ code: '07' });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    await unlock();
    expect((await cardOf('locked')).balances['MEAL']).toBe(1000);
    await vi.waitUntil(async () => (await cardOf('locked')).card_transactions.length > 0, PATIENCE);
    expect((await cardOf('locked')).card_transactions).toMatchObject([{ code: '07', reason: 'locked' }]);
  });

  test('a caller who has hung up before the decision gets nothing applied', async () => {
    await givenCard('gone', { MEAL: 1000 });
    const unlock = await locking('gone');
    const { hostname, port } = new URL(lastro.url);
    const socket = connect({ host: hostname, port: Number(port) });
    await once(socket, 'connect');
    const body = JSON.stringify({ ...PURCHASE, account: 'gone', totalAmount: 1 });
    socket.write(
      `POST /transactions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\nx-deadline-ms: 20000\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    // Another answer from this process shows that it has read what came before.
    await decide({ ...PURCHASE, totalAmount: 0.01 });
    socket.destroy();
    await decide({ ...PURCHASE, totalAmount: 0.01 });
    await unlock();
    await vi.waitUntil(async () => (await cardOf('gone')).card_transactions.length > 0, PATIENCE);
    await vi.waitUntil(async () => (await cardOf('gone')).card_transactions[0]?.['code'] === '07', PATIENCE);
    const { balances, card_transactions } = await cardOf('gone');
    expect(balances['MEAL']).toBe(1000);
    expect(card_transactions).toMatchObject([{ code: '07', reason: 'late', captured: 100, reversed: 100 }]);
  });
});

describe('cards', () => {
  test('are made, topped up, blocked and unblocked, and hold at once in every process', async () => {
    await givenCard('whole', { FOOD: 10, MEAL: 0, CASH: 0 });
    expect((await post('/v1/cards', { account: 'whole', currency: 'BRL' })).status).toBe(409);
    expect((await post('/v1/cards/whole/top-ups', { balances: { MEAL: 5, CASH: 7 } })).status).toBe(201);
    expect((await post('/v1/cards/nobody/top-ups', { balances: { MEAL: 5 } })).status).toBe(404);
    expect((await post('/v1/cards/whole/top-ups', { balances: {} })).status).toBe(400);
    expect((await post('/v1/cards/whole/top-ups', { balances: { MEAL: 0 } })).status).toBe(400);
    const keyless = await http(`${other.url}/v1/cards/whole/top-ups`, { body: { balances: { MEAL: 5 } } });
    expect([keyless.status, keyless.json()['code']]).toEqual([400, 'request.missing_idempotency_key']);
    expect((await cardOf('whole')).balances).toEqual({ FOOD: 10, MEAL: 5, CASH: 7 });
    const buying = { ...PURCHASE, account: 'whole', totalAmount: 0.01 };
    const explained = await http(`${other.url}/v1/cards/whole/block`, { body: { reason: 'stolen' } });
    expect([explained.status, explained.json()['code']]).toEqual([400, 'request.invalid']);
    const blocked = await http(`${other.url}/v1/cards/whole/block`, { method: 'POST' });
    expect(blocked.json()).toMatchObject({ status: 'blocked' });
    expect((await decide(buying)).json()).toMatchObject({ code: '07' });
    await http(`${other.url}/v1/cards/whole/unblock`, { method: 'POST' });
    expect((await decide(buying)).json()).toMatchObject({ code: '00' });
  });

  test('what was decided is listed, newest first, by account and code, page by page', async () => {
    await givenCard('listed', { MEAL: 300 });
    const ids: unknown[] = [];
    for (const totalAmount of [1, 2, 9, 0.5, 0])
      ids.unshift((await decide({ ...PURCHASE, account: 'listed', totalAmount })).json()['id']);
    const list = async (query: string) => (await http(`${other.url}/v1/card-transactions?${query}`)).json();
    const whole = (await list('account=listed')) as { data: { id: string }[] };
    expect(whole.data.map(({ id }) => id)).toEqual(ids);
    const first = (await list('account=listed&limit=2')) as { data: { id: string }[]; next_cursor: string };
    const second = (await list(`account=listed&limit=2&cursor=${first.next_cursor}`)) as typeof first;
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(ids.slice(0, 4));
    const approved = (await list('account=listed&code=00')) as typeof whole;
    expect(approved.data).toHaveLength(2);
    expect(((await list('account=listed&from=2999-01-01T00:00:00Z')) as typeof whole).data).toEqual([]);
    expect(((await list('confirmation=unconfirmed')) as typeof whole).data).toEqual([]);
  });

  test('an approval is reversed, a hold captured, each by its id; what they posted is read as entries', async () => {
    await givenCard('steps', { MEAL: 1000 });
    const bought = (await decide({ ...PURCHASE, account: 'steps', totalAmount: 4 })).json()['id'] as string;
    const held = (await decide({ ...PURCHASE, account: 'steps', totalAmount: 5, capture: false })).json()[
      'id'
    ] as string;
    expect(await cardOf('steps')).toMatchObject({ balances: { MEAL: 100 }, held: { MEAL: 500 } });
    expect((await post(`/v1/card-transactions/${bought}/reversal`, { amount: 150 })).json()).toMatchObject({
      reversed: 150,
    });
    expect((await post(`/v1/card-transactions/${bought}/reversal`, { amount: 251 })).status).toBe(422);
    expect((await post(`/v1/card-transactions/${held}/capture`, { amount: 300 })).json()).toMatchObject({
      captured: 300,
    });
    expect((await post(`/v1/card-transactions/${held}/capture`, {})).status).toBe(409);
    for (const step of ['reversal', 'capture']) {
      const url = `${other.url}/v1/card-transactions/ctx_nothing/${step}`;
      const headers = { 'idempotency-key': `of-nothing-${step}` };
      const [first, again] = [await http(url, { body: {}, headers }), await http(url, { body: {}, headers })];
      expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([404, null]);
      expect([again.text, again.headers.get('idempotency-replayed')]).toEqual([first.text, 'true']);
      expect((await http(url, { body: {} })).json()['code']).toBe('request.missing_idempotency_key');
    }
    expect((await cardOf('steps')).balances['MEAL']).toBe(1000 - 400 + 150 - 300);
    const postings = await http(`${other.url}/v1/accounts/steps:MEAL/postings`);
    const entries = (postings.json() as { data: { entry_id: string }[] }).data.map(
      ({ entry_id }) => entry_id,
    );
    const purposes = await Promise.all(
      entries.map(async (id) => (await http(`${other.url}/v1/journal-entries/${id}`)).json()['purpose']),
    );
    expect(purposes).toEqual(['card', 'card_reversal', 'card', 'top_up']);
  });
});

test('the API document names the headers that decide', async () => {
  const document = (await http(`${lastro.url}/openapi.json`)).json() as {
    paths: Record<string, Record<string, { parameters: { name: string; required: boolean }[] }>>;
  };
  const headersOf = (method: string, path: string) =>
    document.paths[path]?.[method]?.parameters.map(({ name, required }) => (required ? `${name}!` : name));
  for (const path of ['/transactions', '/v1/card-transactions'])
    expect(headersOf('post', path)).toEqual(['Idempotency-Key', 'X-Deadline-Ms', 'X-Correlation-ID']);
  expect(headersOf('put', '/v1/merchant-rules')).toContain('If-Match!');
});

test('merchant rules are replaced as a whole, by whoever names the version they replace', async () => {
  const url = `${other.url}/v1/merchant-rules`;
  const read = await http(url);
  expect([read.headers.get('etag'), read.json()['version']]).toEqual(['"1"', 1]);
  const rules = [
    ...(read.json()['rules'] as unknown[]),
    { pattern: 'PADARIA DO ZE', match: 'prefix', category: 'CASH' },
  ];
  const put = (ifMatch: string | undefined, body: unknown) =>
    http(url, { method: 'PUT', body, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } });
  expect((await put(undefined, { rules })).status).toBe(428);
  expect((await put('"0"', { rules })).status).toBe(412);
  expect((await put('*', { rules })).status).toBe(412);
  expect(
    (
      await put('"1"', {
        rules: [...rules, { pattern: 'padaria  do ze', match: 'prefix', category: 'FOOD' }],
      })
    ).status,
  ).toBe(422);
  expect((await put('"1"', { rules: [{ pattern: ' ', match: 'prefix', category: 'FOOD' }] })).status).toBe(
    400,
  );
  const replaced = await put('"1"', { ...read.json(), rules });
  expect([replaced.status, replaced.headers.get('etag')]).toEqual([200, '"2"']);
  expect((await decide({ ...PURCHASE, totalAmount: 0.01 })).json()).toMatchObject({
    category: 'CASH',
    decided_by: 'merchant_rule',
  });
});

test('P5: a card transaction has a verdict, and its holder is told', async () => {
  const { id } = (await decide({ ...PURCHASE, totalAmount: 1 })).json() as { id: string };
  const verdict = () => http(`${other.url}/v1/card-transactions/${id}/verdict`);
  await vi.waitFor(
    async () => expect((await verdict()).json()).toMatchObject({ verdict: 'complete' }),
    PATIENCE,
  );
  expect((await verdict()).json()).toMatchObject({
    card_transaction_id: id,
    stages: [{ stage: 'decision', type: 'card.approved' }, { stage: 'posting' }, { stage: 'notification' }],
    findings: [],
    verified_at: expect.any(String) as string,
  });
  const told = await http(`${other.url}/v1/card-transactions/${id}/notifications`);
  expect(told.json()).toMatchObject({
    data: [{ type: 'card.approved', payload: { data: { amount: 100 } } }],
  });
  for (const part of ['verdict', 'notifications'])
    expect((await http(`${other.url}/v1/card-transactions/ctx_nothing/${part}`)).status).toBe(404);
});

test('a sandbox whose key may make one request a second starts all the same, and everything of it is seeded', async () => {
  const limited = await home.start({ HOST: '127.0.0.1', SERVICES: 'cards,ledger', RATE_LIMIT: '1' });
  expect(await http(`${limited.url}/livez`)).toMatchObject({ status: 200 });
});
