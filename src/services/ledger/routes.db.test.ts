import { randomUUID } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Static, TSchema } from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderCursor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { isCalendarDate, isRfc3339 } from '#platform/http/instants.ts';
import { ProblemDocument } from '#platform/http/schemas.ts';
import { type LedgerFixture, openLedger } from '../../../tests/ledger-fixture.ts';
import { createRouteApp } from '../../../tests/route-app.ts';
import { ledgerProblems } from './problems.ts';
import { registerLedgerRoutes } from './routes.ts';
import { AccountDocument, AccountPage, EntryDocument, PostingPage } from './schemas.ts';

const NOW = Date.UTC(2026, 10, 20, 12);

let ledger: LedgerFixture;
let app: HttpApp;
let now = NOW;

beforeAll(async () => {
  ledger = await openLedger();
  app = await createRouteApp({ problems: ledgerProblems, clock: { now: () => now } });
  registerLedgerRoutes(app, { commands: ledger.process({ now: () => now }).commands, reads: ledger.reads });
  await app.ready();
});

afterAll(async () => {
  await app.close();
  await ledger.close();
});

interface Asked {
  readonly tenant?: string;
  readonly scopes?: string;
  readonly headers?: Record<string, string>;
}

function headersOf({ tenant = 'acme', scopes = '*', headers = {} }: Asked): Record<string, string> {
  return { authorization: `Bearer lk_${tenant}_${scopes}`, ...headers };
}

function get(url: string, asked: Asked = {}) {
  return app.inject({ method: 'GET', url, headers: headersOf(asked) });
}

function post(url: string, body?: unknown, asked: Asked = {}) {
  const headers = {
    ...headersOf(asked),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  return app.inject({
    method: 'POST',
    url,
    headers,
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  });
}

type Answer = Awaited<ReturnType<typeof get>>;

const ajv = new Ajv2020({ strictTypes: false, formats: { 'date-time': isRfc3339, date: isCalendarDate } });

/** The body, which must be as the OpenAPI document says. */
function bodyOf<Schema extends TSchema>(answer: Answer, schema: Schema, status = 200): Static<Schema> {
  expect([answer.statusCode, answer.body]).toEqual([status, expect.any(String) as string]);
  const isValid = ajv.compile(schema);
  const body = answer.json<Static<Schema>>();
  expect([isValid(body), isValid.errors]).toEqual([true, null]);
  return body;
}

interface Refusal {
  readonly code: string;
  readonly pointers: readonly string[];
}

/** Codes that some test has seen. */
const met = new Set<string>();

function refusalOf(answer: Answer): [status: number, refusal: Refusal] {
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const { code, errors = [] } = bodyOf(answer, ProblemDocument, answer.statusCode);
  met.add(code);
  return [answer.statusCode, { code, pointers: errors.map(({ pointer }) => pointer) }];
}

async function openAccount(order: Record<string, unknown>, asked: Asked = {}): Promise<string> {
  const answer = await post('/v1/accounts', { kind: 'wallet', currency: 'USD', ...order }, asked);
  expect([answer.statusCode, answer.body]).toEqual([201, expect.any(String) as string]);
  return answer.json<{ id: string }>().id;
}

type Line = readonly [accountId: string, direction: 'debit' | 'credit', amount: number];

function postEntry(lines: readonly Line[], more: Record<string, unknown> = {}, asked: Asked = {}) {
  const postings = lines.map(([account_id, direction, amount]) => ({ account_id, direction, amount }));
  const headers = { 'idempotency-key': randomUUID(), ...asked.headers };
  return post('/v1/journal-entries', { postings, ...more }, { ...asked, headers });
}

/** A wallet with that much in it. */
async function givenWallet(amount: number, order: Record<string, unknown> = {}): Promise<string> {
  const [wallet, outside] = await Promise.all([
    openAccount(order),
    openAccount({ kind: 'external', ...order, id: undefined }),
  ]);
  if (amount > 0)
    expect(
      (
        await postEntry([
          [outside, 'debit', amount],
          [wallet, 'credit', amount],
        ])
      ).statusCode,
    ).toBe(201);
  return wallet;
}

async function availableOf(id: string): Promise<number | null> {
  const { balance } = bodyOf(await get(`/v1/accounts/${id}`), AccountDocument);
  return balance.available;
}

describe('opening an account', () => {
  test('makes what was asked for, and it can be read back', async () => {
    const order = {
      id: 'wal-full',
      kind: 'wallet',
      currency: 'BRL',
      name: 'Ana',
      floor: -500,
      time_zone: 'Europe/Lisbon',
      metadata: { b: 2, a: { of: ['any', true, null], n: 1.5 } },
    };
    const opened = await post('/v1/accounts', order);
    expect(bodyOf(opened, AccountDocument, 201)).toEqual({
      ...order,
      status: 'open',
      balance: { posted: 0, held: 0, available: 0, as_of: '2026-11-20T12:00:00.000Z' },
      opened_at: '2026-11-20T12:00:00.000Z',
    });
    const read = bodyOf(await get('/v1/accounts/wal-full'), AccountDocument);
    const { balance, ...rest } = read;
    expect(rest).toEqual({ ...order, status: 'open', opened_at: '2026-11-20T12:00:00.000Z' });
    expect(balance).toMatchObject({ posted: 0, held: 0, available: 0 });
  });

  test.each([
    ['wallet', 0],
    ['service', 0],
    ['card', 0],
    ['external', null],
    ['cashbook', null],
  ])(
    '%s has floor %s unless said otherwise, an id of ours, and the time of São Paulo',
    async (kind, floor) => {
      const opened = await post('/v1/accounts', { kind, currency: 'USD' });
      const account = bodyOf(opened, AccountDocument, 201);
      expect(account).toMatchObject({
        kind,
        floor,
        name: null,
        metadata: null,
        time_zone: 'America/Sao_Paulo',
      });
      expect(account['id']).toMatch(/^acc_[0-9a-z]{26}$/);
    },
  );

  test('takes a floor of none for any kind', async () => {
    const id = await openAccount({ floor: null });
    const other = await givenWallet(0);
    expect(
      (
        await postEntry([
          [id, 'debit', 1],
          [other, 'credit', 1],
        ])
      ).statusCode,
    ).toBe(201);
    expect(await availableOf(id)).toBe(-1);
  });

  const ORDER = { kind: 'wallet', currency: 'USD' };
  test.each([
    ['no kind', { currency: 'USD' }, '/kind'],
    ['no currency', { kind: 'wallet' }, '/currency'],
    ['an unknown kind', { ...ORDER, kind: 'bank' }, '/kind'],
    ['an empty id', { ...ORDER, id: '' }, '/id'],
    ['an id that begins with punctuation', { ...ORDER, id: '-a' }, '/id'],
    ['an id of 65 characters', { ...ORDER, id: 'a'.repeat(65) }, '/id'],
    ['an id with a slash', { ...ORDER, id: 'a/b' }, '/id'],
    ['the id of a payment', { ...ORDER, id: 'pay_01h455vb4pex5vsknk084sn02q' }, '/id'],
    ['an empty name', { ...ORDER, name: '' }, '/name'],
    ['a name of 201 characters', { ...ORDER, name: 'n'.repeat(201) }, '/name'],
    ['a fractional floor', { ...ORDER, floor: 0.5 }, '/floor'],
    ['a floor that is a text', { ...ORDER, floor: '0' }, '/floor'],
    ['metadata that is a list', { ...ORDER, metadata: [] }, '/metadata'],
    ['metadata of 16385 characters', { ...ORDER, metadata: { a: 'x'.repeat(16_377) } }, '/metadata'],
    ['a member it does not know', { ...ORDER, balance: 1 }, '/balance'],
  ])('is refused for %s', async (_case, body, pointer) => {
    expect(refusalOf(await post('/v1/accounts', body))).toEqual([
      400,
      { code: 'request.invalid', pointers: [pointer] },
    ]);
  });

  test.each([
    ['an unknown currency', { currency: 'XYZ' }, 'ledger.unknown_currency', '/currency'],
    ['a currency without amounts', { currency: 'XAU' }, 'ledger.unknown_currency', '/currency'],
    ['a currency in small letters', { currency: 'usd' }, 'ledger.unknown_currency', '/currency'],
    ['an unknown time zone', { time_zone: 'Mars/Base' }, 'ledger.unknown_time_zone', '/time_zone'],
    ['a time zone that is an offset', { time_zone: '-03:00' }, 'ledger.unknown_time_zone', '/time_zone'],
    [
      'a time zone in other letters',
      { time_zone: 'america/sao_paulo' },
      'ledger.unknown_time_zone',
      '/time_zone',
    ],
  ])('is refused for %s', async (_case, member, code, pointer) => {
    expect(refusalOf(await post('/v1/accounts', { ...ORDER, ...member }))).toEqual([
      422,
      { code, pointers: [pointer] },
    ]);
  });

  test('is refused for an id that is taken, but not by another tenant', async () => {
    await openAccount({ id: 'wal-taken' });
    const again = await post('/v1/accounts', { ...ORDER, id: 'wal-taken' });
    expect(refusalOf(again)).toEqual([409, { code: 'ledger.account_exists', pointers: ['/id'] }]);
    expect(await openAccount({ id: 'wal-taken' }, { tenant: 'other' })).toBe('wal-taken');
  });

  test('under a key is done once, and told with the first answer, byte for byte (U1)', async () => {
    const asked = { headers: { 'idempotency-key': 'open-1' } };
    const first = await post('/v1/accounts', ORDER, asked);
    const second = await post('/v1/accounts', { currency: 'USD', kind: 'wallet' }, asked);
    expect([second.statusCode, second.body]).toEqual([201, first.body]);
    expect([first.headers['idempotency-replayed'], second.headers['idempotency-replayed']]).toEqual([
      undefined,
      'true',
    ]);
    const other = await post('/v1/accounts', { ...ORDER, currency: 'BRL' }, asked);
    expect(refusalOf(other)).toEqual([
      422,
      { code: 'ledger.idempotency_key_reused', pointers: ['/currency'] },
    ]);
  });
});

describe('posting an entry', () => {
  test('moves money, and answers with every posting’s place in its account', async () => {
    const [a, b] = [await givenWallet(100), await givenWallet(0)];
    const posted = await postEntry(
      [
        [a, 'debit', 30],
        [b, 'credit', 30],
      ],
      {
        description: 'Rent',
        reference: 'r-1',
        effective_on: '2026-11-01',
      },
    );
    const entry = bodyOf(posted, EntryDocument, 201);
    expect(entry).toEqual({
      id: expect.stringMatching(/^jen_/) as string,
      purpose: 'manual',
      cause: entry.id,
      description: 'Rent',
      reference: 'r-1',
      effective_on: '2026-11-01',
      posted_at: '2026-11-20T12:00:00.000Z',
      postings: [
        {
          account_id: a,
          direction: 'debit',
          amount: 30,
          currency: 'USD',
          sequence: 2,
          posted_after: 70,
          posted_at: '2026-11-20T12:00:00.000Z',
        },
        {
          account_id: b,
          direction: 'credit',
          amount: 30,
          currency: 'USD',
          sequence: 1,
          posted_after: 30,
          posted_at: '2026-11-20T12:00:00.000Z',
        },
      ],
    });
    expect(bodyOf(await get(`/v1/journal-entries/${entry.id}`), EntryDocument)).toEqual(entry);
    expect([await availableOf(a), await availableOf(b)]).toEqual([70, 30]);
  });

  test('needs an Idempotency-Key', async () => {
    const body = {
      postings: [
        { account_id: 'a', direction: 'debit', amount: 1 },
        { account_id: 'b', direction: 'credit', amount: 1 },
      ],
    };
    expect(refusalOf(await post('/v1/journal-entries', body))).toEqual([
      400,
      { code: 'request.missing_idempotency_key', pointers: ['/header/idempotency-key'] },
    ]);
  });

  test('under a key moves money once (U1)', async () => {
    const [a, b] = [await givenWallet(100), await givenWallet(0)];
    const asked = { headers: { 'idempotency-key': `pay-${a}` } };
    const lines: Line[] = [
      [a, 'debit', 60],
      [b, 'credit', 60],
    ];
    const copies = await Promise.all(Array.from({ length: 20 }, () => postEntry(lines, {}, asked)));
    expect(new Set(copies.map(({ statusCode, body }) => `${statusCode} ${body}`)).size).toBe(1);
    expect(copies.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(19);
    expect([await availableOf(a), await availableOf(b)]).toEqual([40, 60]);
  });

  test('replays a refusal too, even when it would be accepted now', async () => {
    const [a, b, outside] = [
      await givenWallet(0),
      await givenWallet(0),
      await openAccount({ kind: 'external' }),
    ];
    const asked = { headers: { 'idempotency-key': `late-${a}` } };
    const first = await postEntry(
      [
        [a, 'debit', 1],
        [b, 'credit', 1],
      ],
      {},
      asked,
    );
    await postEntry([
      [outside, 'debit', 5],
      [a, 'credit', 5],
    ]);
    const second = await postEntry(
      [
        [a, 'debit', 1],
        [b, 'credit', 1],
      ],
      {},
      asked,
    );
    expect([second.statusCode, second.body]).toEqual([422, first.body]);
    expect(second.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(second.headers['idempotency-replayed']).toBe('true');
  });

  test.each([
    [-1, 201],
    [0, 201],
    [1, 422],
  ])('spends the available balance %i: %i', async (over, status) => {
    const [a, b] = [await givenWallet(50), await givenWallet(0)];
    const answer = await postEntry([
      [a, 'debit', 50 + over],
      [b, 'credit', 50 + over],
    ]);
    expect(answer.statusCode).toBe(status);
    if (status === 422) {
      expect(refusalOf(answer)).toEqual([
        422,
        { code: 'ledger.insufficient_funds', pointers: ['/postings/0/account_id'] },
      ]);
    }
  });

  test('is refused whole for one unknown account, and says which', async () => {
    const a = await givenWallet(10);
    const answer = await postEntry([
      [a, 'debit', 10],
      ['nobody', 'credit', 10],
    ]);
    expect(refusalOf(answer)).toEqual([
      404,
      { code: 'ledger.account_not_found', pointers: ['/postings/1/account_id'] },
    ]);
    expect(await availableOf(a)).toBe(10);
  });

  test('knows no account of another tenant', async () => {
    const a = await givenWallet(10);
    await openAccount({ id: 'theirs' }, { tenant: 'other' });
    const answer = await postEntry([
      [a, 'debit', 10],
      ['theirs', 'credit', 10],
    ]);
    expect(refusalOf(answer)).toEqual([
      404,
      { code: 'ledger.account_not_found', pointers: ['/postings/1/account_id'] },
    ]);
  });

  test('is refused for a closed account', async () => {
    const [a, b] = [await givenWallet(10), await givenWallet(0)];
    await post(`/v1/accounts/${b}/close`);
    const answer = await postEntry([
      [a, 'debit', 10],
      [b, 'credit', 10],
    ]);
    expect(refusalOf(answer)).toEqual([
      409,
      { code: 'ledger.account_closed', pointers: ['/postings/1/account_id'] },
    ]);
  });

  test.each([
    [-1, 422],
    [0, 201],
    [1, 422],
  ])('is balanced to the unit: credits %i beyond debits is %i', async (over, status) => {
    const [a, b] = [await givenWallet(50), await givenWallet(0)];
    const answer = await postEntry([
      [a, 'debit', 20],
      [b, 'credit', 20 + over],
    ]);
    expect(answer.statusCode).toBe(status);
    if (status === 422)
      expect(refusalOf(answer)).toEqual([422, { code: 'ledger.unbalanced_entry', pointers: ['/postings'] }]);
  });

  test('is refused across currencies, unless it balances in each', async () => {
    const [usd, brl] = [await givenWallet(50), await givenWallet(50, { currency: 'BRL' })];
    const [usdTo, brlTo] = [await givenWallet(0), await givenWallet(0, { currency: 'BRL' })];
    const mixed = await postEntry([
      [usd, 'debit', 10],
      [brlTo, 'credit', 10],
    ]);
    expect(refusalOf(mixed)).toEqual([422, { code: 'ledger.currency_mismatch', pointers: ['/postings'] }]);
    const exchange = await postEntry([
      [usd, 'debit', 10],
      [usdTo, 'credit', 10],
      [brl, 'debit', 50],
      [brlTo, 'credit', 50],
    ]);
    expect(exchange.statusCode).toBe(201);
  });

  test('is refused beyond 2^53−1, at the unit, and what stays within is exact', async () => {
    const max = Number.MAX_SAFE_INTEGER;
    const [outside, full] = [await openAccount({ kind: 'external' }), await givenWallet(0)];
    expect(
      (
        await postEntry([
          [outside, 'debit', max],
          [full, 'credit', max],
        ])
      ).statusCode,
    ).toBe(201);
    expect(await availableOf(full)).toBe(max);
    const other = await openAccount({ kind: 'external' });
    const beyond = await postEntry([
      [other, 'debit', 1],
      [full, 'credit', 1],
    ]);
    expect(refusalOf(beyond)).toEqual([
      422,
      { code: 'ledger.amount_out_of_range', pointers: ['/postings/1/account_id'] },
    ]);
    const passing = await postEntry([
      [other, 'debit', 1],
      [full, 'credit', 1],
      [full, 'debit', 1],
      [other, 'credit', 1],
    ]);
    expect(refusalOf(passing)).toEqual([
      422,
      { code: 'ledger.amount_out_of_range', pointers: ['/postings/1/account_id'] },
    ]);
  });

  const LINE = { account_id: 'a', direction: 'debit', amount: 1 };
  test.each([
    ['no postings', {}, '/postings'],
    ['one posting', { postings: [LINE] }, '/postings'],
    ['501 postings', { postings: Array.from({ length: 501 }, () => LINE) }, '/postings'],
    ['amount 0', { postings: [LINE, { ...LINE, amount: 0 }] }, '/postings/1/amount'],
    ['a negative amount', { postings: [LINE, { ...LINE, amount: -1 }] }, '/postings/1/amount'],
    ['a fraction', { postings: [LINE, { ...LINE, amount: 1.5 }] }, '/postings/1/amount'],
    ['an amount in a text', { postings: [LINE, { ...LINE, amount: '1' }] }, '/postings/1/amount'],
    ['a third direction', { postings: [LINE, { ...LINE, direction: 'up' }] }, '/postings/1/direction'],
    ['no account', { postings: [LINE, { direction: 'debit', amount: 1 }] }, '/postings/1/account_id'],
    ['a day that is none', { postings: [LINE, LINE], effective_on: '2026-02-29' }, '/effective_on'],
    ['a NUL', { postings: [LINE, LINE], description: 'a\0b' }, '/description'],
    ['half a surrogate pair', { postings: [LINE, LINE], description: 'a\ud800b' }, '/description'],
    ['a member it does not know', { postings: [LINE, LINE], currency: 'USD' }, '/currency'],
  ])('is refused for %s', async (_case, body, pointer) => {
    const answer = await post('/v1/journal-entries', body, { headers: { 'idempotency-key': randomUUID() } });
    expect(refusalOf(answer)).toEqual([400, { code: 'request.invalid', pointers: [pointer] }]);
  });

  test('of others is not harmed by one that is refused in the same batch', async () => {
    const [a, b] = [await givenWallet(3), await givenWallet(0)];
    const answers = await Promise.all(
      [1, 100, 1, 0.5, 1].map((amount) =>
        postEntry([
          [a, 'debit', amount],
          [b, 'credit', amount],
        ]),
      ),
    );
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([201, 422, 201, 400, 201]);
  });
});

describe('closing an account', () => {
  test('ends it for ever', async () => {
    const id = await givenWallet(0);
    const closed = await post(`/v1/accounts/${id}/close`);
    expect(bodyOf(closed, AccountDocument)).toMatchObject({
      id,
      status: 'closed',
      time_zone: 'America/Sao_Paulo',
    });
    expect(bodyOf(await get(`/v1/accounts/${id}`), AccountDocument)).toMatchObject({ status: 'closed' });
    expect(refusalOf(await post(`/v1/accounts/${id}/close`))[1].code).toBe('ledger.account_closed');
  });

  test('is refused with a body that says more than nothing, and then leaves the account open', async () => {
    const id = await givenWallet(0);
    const refused = await post(`/v1/accounts/${id}/close`, { force: true });
    expect(refusalOf(refused)).toEqual([400, { code: 'request.invalid', pointers: ['/force'] }]);
    expect((await post(`/v1/accounts/${id}/close`, {})).statusCode).toBe(200);
  });

  test('under a key is told again as it was', async () => {
    const id = await givenWallet(0);
    const asked = { headers: { 'idempotency-key': `close-${id}` } };
    const first = await post(`/v1/accounts/${id}/close`, undefined, asked);
    const second = await post(`/v1/accounts/${id}/close`, undefined, asked);
    expect([second.statusCode, second.body, second.headers['idempotency-replayed']]).toEqual([
      200,
      first.body,
      'true',
    ]);
  });

  test.each([
    [-1, 409],
    [0, 200],
    [1, 409],
  ])('with a balance of %i is %i', async (balance, status) => {
    const [id, outside] = [await openAccount({ floor: null }), await openAccount({ kind: 'external' })];
    if (balance < 0)
      await postEntry([
        [id, 'debit', -balance],
        [outside, 'credit', -balance],
      ]);
    if (balance > 0)
      await postEntry([
        [outside, 'debit', balance],
        [id, 'credit', balance],
      ]);
    const answer = await post(`/v1/accounts/${id}/close`);
    expect(answer.statusCode).toBe(status);
    if (status === 409) expect(refusalOf(answer)[1].code).toBe('ledger.account_not_empty');
  });

  test('of nobody, or of another tenant, is a 404', async () => {
    await openAccount({ id: 'their-account' }, { tenant: 'other' });
    for (const id of ['nobody', 'their-account']) {
      expect(refusalOf(await post(`/v1/accounts/${id}/close`))[0]).toBe(404);
    }
  });
});

describe('reading', () => {
  test('an account of nobody, or of another tenant, is a 404, also in the past and by its postings', async () => {
    await openAccount({ id: 'not-yours' }, { tenant: 'other' });
    for (const id of ['nobody', 'not-yours']) {
      for (const url of [
        `/v1/accounts/${id}`,
        `/v1/accounts/${id}?at=2026-11-20T12:00:00Z`,
        `/v1/accounts/${id}/postings`,
      ]) {
        expect(refusalOf(await get(url))).toEqual([404, { code: 'ledger.account_not_found', pointers: [] }]);
      }
    }
  });

  test('an entry of another tenant, of nobody, or of no such form is a 404', async () => {
    const [a, b] = [await givenWallet(1), await givenWallet(0)];
    const { id } = (
      await postEntry([
        [a, 'debit', 1],
        [b, 'credit', 1],
      ])
    ).json<{ id: string }>();
    for (const answer of [
      await get(`/v1/journal-entries/${id}`, { tenant: 'other' }),
      await get('/v1/journal-entries/jen_01h455vb4pex5vsknk084sn02q'),
      await get('/v1/journal-entries/nothing'),
    ]) {
      expect(refusalOf(answer)).toEqual([404, { code: 'ledger.entry_not_found', pointers: [] }]);
    }
  });

  test('an account at an instant has the last posting at or before it, also of several at once', async () => {
    const [a, outside] = [await openAccount({}), await openAccount({ kind: 'external' })];
    const credit = (amount: number) =>
      postEntry([
        [outside, 'debit', amount],
        [a, 'credit', amount],
      ]);
    await credit(1);
    await credit(2);
    now = NOW + 1000;
    await credit(4);
    now = NOW;
    const at = async (instant: string) => {
      const account = bodyOf(
        await get(`/v1/accounts/${a}?at=${encodeURIComponent(instant)}`),
        AccountDocument,
      );
      return account.balance;
    };
    const balance = (posted: number, as_of: string) => ({ posted, held: null, available: null, as_of });
    expect(await at('2026-11-20T11:59:59.999Z')).toEqual(balance(0, '2026-11-20T11:59:59.999Z'));
    expect(await at('2026-11-20T12:00:00Z')).toEqual(balance(3, '2026-11-20T12:00:00.000Z'));
    expect(await at('2026-11-20T12:00:00.999999999Z')).toEqual(balance(3, '2026-11-20T12:00:00.999Z'));
    expect(await at('2026-11-20T09:00:01-03:00')).toEqual(balance(7, '2026-11-20T12:00:01.000Z'));
    expect(await at('0000-01-01T00:00:00Z')).toEqual(balance(0, '0001-01-01T00:00:00.000Z'));
    expect(await at('9999-12-31T23:59:59-23:59')).toEqual(balance(7, '9999-12-31T23:59:59.999Z'));
  });

  test.each(['2026-11-20', '2026-11-20T12:00:00', 'yesterday', ''])(
    'at %j is refused: it is no instant',
    async (at) => {
      const answer = await get(`/v1/accounts/wal-full?at=${at}`);
      expect(refusalOf(answer)).toEqual([
        400,
        { code: 'request.invalid_parameter', pointers: ['/query/at'] },
      ]);
    },
  );

  test('postings come newest first, page by page, each once, within the range asked for', async () => {
    const [a, outside] = [await openAccount({}), await openAccount({ kind: 'external' })];
    for (const second of [0, 0, 0, 1, 2]) {
      now = NOW + second * 1000;
      await postEntry([
        [outside, 'debit', 1],
        [a, 'credit', 1],
      ]);
    }
    now = NOW;
    const sequences = async (query: string) => {
      const seen: number[] = [];
      for (let cursor = ''; ; ) {
        const answer = await get(`/v1/accounts/${a}/postings?limit=2${query}${cursor}`);
        const page = bodyOf(answer, PostingPage);
        expect(page.data.length).toBeLessThanOrEqual(2);
        seen.push(...page.data.map(({ sequence }) => sequence));
        if (page.next_cursor === null) return seen;
        cursor = `&cursor=${page.next_cursor}`;
      }
    };
    expect(await sequences('')).toEqual([5, 4, 3, 2, 1]);
    expect(await sequences('&to=2026-11-20T12:00:01Z')).toEqual([4, 3, 2, 1]);
    expect(await sequences('&from=2026-11-20T12:00:01Z')).toEqual([5, 4]);
    expect(await sequences('&from=2026-11-20T12:00:01Z&to=2026-11-20T12:00:01Z')).toEqual([4]);
    expect(await sequences('&from=2026-11-20T12:00:03Z')).toEqual([]);
    expect(await sequences('&from=2026-11-20T12:00:02Z&to=2026-11-20T12:00:01Z')).toEqual([]);
  });

  test('a posting tells its entry and its place', async () => {
    const a = await givenWallet(9);
    const { data } = bodyOf(await get(`/v1/accounts/${a}/postings`), PostingPage);
    expect(data).toEqual([
      {
        entry_id: expect.stringMatching(/^jen_/) as string,
        account_id: a,
        direction: 'credit',
        amount: 9,
        currency: 'USD',
        sequence: 1,
        posted_after: 9,
        posted_at: '2026-11-20T12:00:00.000Z',
      },
    ]);
  });

  test('accounts are listed ascending by id, page by page, of one tenant', async () => {
    const asked = { tenant: 'lister' };
    for (const id of ['c', 'a', 'b', 'B']) await openAccount({ id }, asked);
    const first = bodyOf(await get('/v1/accounts?limit=3', asked), AccountPage);
    expect(first.data.map(({ id }) => id)).toEqual(['B', 'a', 'b']);
    const last = bodyOf(await get(`/v1/accounts?limit=3&cursor=${first.next_cursor}`, asked), AccountPage);
    expect([last.data.map(({ id }) => id), last.next_cursor]).toEqual([['c'], null]);
  });

  test.each([
    ['/v1/accounts?cursor=nonsense', '/query/cursor'],
    [`/v1/accounts?cursor=${renderCursor(['pay_01j0000000e0080000000000001'])}`, '/query/cursor'],
    [`/v1/accounts?cursor=${renderCursor(['connectors', 'a'])}`, '/query/cursor'],
    ['/v1/accounts/wal-full/postings?cursor=nonsense', '/query/cursor'],
    [
      `/v1/accounts/wal-full/postings?cursor=${Buffer.from('["v1","1","x"]').toString('base64url')}`,
      '/query/cursor',
    ],
    [
      `/v1/accounts/wal-full/postings?cursor=${Buffer.from('["v1","999999999999999","1"]').toString('base64url')}`,
      '/query/cursor',
    ],
    ['/v1/accounts?limit=501', '/query/limit'],
    ['/v1/accounts/wal-full/postings?from=today', '/query/from'],
  ])('%s is refused', async (url, pointer) => {
    expect(refusalOf(await get(url))).toEqual([
      400,
      { code: 'request.invalid_parameter', pointers: [pointer] },
    ]);
  });
});

describe('a key', () => {
  test.each([
    ['POST', '/v1/accounts', 'accounts:write'],
    ['POST', '/v1/accounts/wal-full/close', 'accounts:write'],
    ['GET', '/v1/accounts', 'accounts:read'],
    ['GET', '/v1/accounts/wal-full', 'accounts:read'],
    ['GET', '/v1/accounts/wal-full/postings', 'accounts:read'],
    ['POST', '/v1/journal-entries', 'ledger:write'],
    ['GET', '/v1/journal-entries/jen_x', 'ledger:read'],
  ] as const)('needs for %s %s the scope %s', async (method, url, scope) => {
    const call = (scopes: string) => app.inject({ method, url, headers: headersOf({ scopes }) });
    const refused = await call('other:scope');
    expect([refused.statusCode, refused.json<{ scope: string }>().scope]).toEqual([403, scope]);
    expect((await call(scope)).statusCode).not.toBe(403);
  });
});

test('every operation is in the API document, with its answer', async () => {
  const { paths } = (await get('/openapi.json')).json<{
    paths: Record<string, Record<string, { responses: object }>>;
  }>();
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { responses }]) => `${method} ${path} ${Object.keys(responses)[0]}`,
    ),
  );
  expect(operations).toEqual(
    expect.arrayContaining([
      'post /v1/accounts 201',
      'get /v1/accounts 200',
      'get /v1/accounts/{id} 200',
      'post /v1/accounts/{id}/close 200',
      'get /v1/accounts/{id}/postings 200',
      'post /v1/journal-entries 201',
      'get /v1/journal-entries/{id} 200',
    ]),
  );
});

test('the API document says which operations need an Idempotency-Key', async () => {
  const { paths } = (await get('/openapi.json')).json<{
    paths: Record<string, Record<string, { parameters: { name: string; required?: boolean }[] }>>;
  }>();
  const isRequired = (path: string) =>
    paths[path]?.['post']?.parameters.find(({ name }) => name === 'Idempotency-Key')?.required;
  expect(['/v1/journal-entries', '/v1/accounts', '/v1/accounts/{id}/close'].map(isRequired)).toEqual([
    true,
    false,
    false,
  ]);
});

// Last: it looks back on the others.
test('every problem of the ledger was met above, but for the one that only other services can meet', () => {
  const codes = Object.keys(ledgerProblems).filter((code) => code !== 'ledger.hold_closed');
  expect(codes.filter((code) => !met.has(code))).toEqual([]);
});
