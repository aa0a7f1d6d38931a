import { describe, expect, test } from 'vitest';
import type { Reach } from '#platform/egress/reachable.ts';
import { readCardTransaction } from './read-card-transaction.ts';

const RIGHT = {
  account: '123',
  totalAmount: 100,
  mcc: '5811',
  merchant: 'PADARIA DO ZE               SAO PAULO BR',
};

function read(body: unknown, key?: string, reach?: Reach) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return readCardTransaction(Buffer.from(text), { key, reach });
}

describe('K1: what a card transaction may look like', () => {
  test('the source’s own', () => {
    const text =
      '{"account":"123","totalAmount":100.00,"mcc":"5811","merchant":"PADARIA DO ZE               SAO PAULO BR"}';
    expect(read(text)).toEqual({
      received: { account: '123', externalId: null, mcc: '5811', merchant: RIGHT.merchant, digest: null },
      request: { account: '123', hundredths: 10_000n, mcc: '5811', merchant: RIGHT.merchant, capture: true },
      callbackUrl: null,
      isSentAsCardSays: false,
    });
  });

  test('K6: aliases mean the same, members that nobody knows mean nothing', () => {
    const { account, totalAmount, ...rest } = RIGHT;
    const aliased = { accountId: account, amount: totalAmount, ...rest, terminal: { amount: [7] }, id: 'a' };
    expect(read(aliased)).toEqual(read({ ...RIGHT, id: 'a' }));
  });

  test.each(['12345678901234567890', '1e400', '1.00000000000000000001'])(
    'K8: a member that nobody knows may be a number that no double keeps: %s',
    (number) => {
      const text = JSON.stringify({ ...RIGHT, id: 'a' });
      expect(read(text.replace('{', `{"trace":${number},`))).toEqual(read(text));
    },
  );

  test('K6: an id may come in the body or in the header, and the body’s comes first', () => {
    expect(read(RIGHT, 'k').received.externalId).toBe('k');
    expect(read({ ...RIGHT, id: 'a' }, 'k').received.externalId).toBe('a');
    expect(read(RIGHT).received.externalId).toBeNull();
  });

  test.each(['x', '🍕'])('K6: an id has 255 characters at most, wherever it comes: %s', (character) => {
    const [most, more] = [character.repeat(255), character.repeat(256)];
    for (const reading of [read(RIGHT, most), read({ ...RIGHT, id: most })])
      expect(reading).toMatchObject({ received: { externalId: most }, request: { account: '123' } });
    for (const reading of [read(RIGHT, more), read({ ...RIGHT, id: more })])
      expect(reading.request).toMatchObject({ reason: 'malformed_field', detail: 'id' });
  });

  test('K6: two requests are the same if they mean the same', () => {
    const digest = (body: unknown) => read(body, 'k').received.digest;
    const text = JSON.stringify(RIGHT);
    expect(digest(text.replace('100', '1e2'))).toBe(digest(RIGHT));
    expect(digest(text.replace('100', '100.0'))).toBe(digest(RIGHT));
    for (const other of [{ totalAmount: 100.01 }, { mcc: '5812' }, { merchant: 'A' }, { capture: false }])
      expect(digest({ ...RIGHT, ...other })).not.toBe(digest(RIGHT));
  });

  test('K8: the digits that count are those that were sent', () => {
    const amountOf = (literal: string) =>
      read(
        `{"x":"a \\" {","account":"1","nested":{"totalAmount":7},"totalAmount": ${literal} ,"mcc":"1234","merchant":"A"}`,
      ).request;
    expect(amountOf('90071992547409.91')).toMatchObject({ hundredths: 9_007_199_254_740_991n });
    expect(amountOf('1.00000000000000000001')).toMatchObject({ reason: 'amount_has_too_many_decimals' });
    expect(amountOf('12345678901234567')).toMatchObject({ reason: 'amount_too_large' });
    expect(amountOf('1e400')).toMatchObject({ reason: 'malformed_amount' });
    expect(amountOf('0.10000000000000001')).toEqual({
      reason: 'amount_has_too_many_decimals',
      detail: '0.10000000000000001',
    });
  });
});

describe('K7: what is wrong is told', () => {
  test.each([
    ['nothing', '', 'unreadable'],
    ['no JSON', '{', 'unreadable'],
    ['a name twice', '{"account":"1","account":"2"}', 'unreadable'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'), 'unreadable'],
    ['an array', [RIGHT], 'unreadable'],
    ['null', null, 'unreadable'],
    ['a NUL', { ...RIGHT, merchant: 'A\u0000' }, 'unreadable'],
    ['no account', { ...RIGHT, account: undefined }, 'missing_field'],
    ['no amount', { ...RIGHT, totalAmount: undefined }, 'missing_field'],
    ['no code', { ...RIGHT, mcc: null }, 'missing_field'],
    ['no merchant', { ...RIGHT, merchant: undefined }, 'missing_field'],
    ['a number for the account', { ...RIGHT, account: 123 }, 'malformed_field'],
    ['an account that no card can have', { ...RIGHT, account: 'a/b' }, 'malformed_field'],
    ['two accounts', { ...RIGHT, accountId: '124' }, 'malformed_field'],
    ['a code of three digits', { ...RIGHT, mcc: '581' }, 'malformed_field'],
    ['a code in letters', { ...RIGHT, mcc: 'abcd' }, 'malformed_field'],
    ['a number for the code', { ...RIGHT, mcc: 5811 }, 'malformed_field'],
    ['a blank merchant', { ...RIGHT, merchant: ' '.repeat(40) }, 'malformed_field'],
    ['a merchant of 101', { ...RIGHT, merchant: 'x'.repeat(101) }, 'malformed_field'],
    ['an empty id', { ...RIGHT, id: '' }, 'malformed_field'],
    ['a number for the id', { ...RIGHT, id: 7 }, 'malformed_field'],
    ['an id of 256', { ...RIGHT, id: 'x'.repeat(256) }, 'malformed_field'],
    ['capture as a text', { ...RIGHT, capture: 'false' }, 'malformed_field'],
    ['an amount as a text', { ...RIGHT, totalAmount: '100' }, 'malformed_amount'],
    ['two amounts', { ...RIGHT, amount: 1 }, 'malformed_amount'],
    [
      'two amounts that one double stands for',
      '{"account":"1","totalAmount":1,"amount":1.00000000000000000001,"mcc":"1234","merchant":"A"}',
      'malformed_amount',
    ],
    ['three decimals', { ...RIGHT, totalAmount: 0.001 }, 'amount_has_too_many_decimals'],
    ['nothing to pay', { ...RIGHT, totalAmount: 0 }, 'amount_not_positive'],
    ['less than nothing', { ...RIGHT, totalAmount: -1 }, 'amount_not_positive'],
    ['too much', { ...RIGHT, totalAmount: 90_071_992_547_410 }, 'amount_too_large'],
  ])('%s', (_name, body, reason) => {
    expect(read(body).request).toMatchObject({ reason });
  });

  test('K9: what could be read is kept all the same', () => {
    expect(read({ ...RIGHT, id: 'a', totalAmount: -1 }).received).toMatchObject({
      account: '123',
      externalId: 'a',
      mcc: '5811',
      merchant: RIGHT.merchant,
    });
    const text = JSON.stringify({ ...RIGHT, id: 'a' });
    expect(read(text.replace(/"totalAmount":100/, '"totalAmount":1e400')).received).toMatchObject({
      account: '123',
      externalId: 'a',
      digest: expect.any(String) as string,
    });
  });
});

describe('K10: where the answer is to be sent', () => {
  const url = 'https://network.example/answers';

  test('is kept, also of what cannot be decided', () => {
    expect(read({ ...RIGHT, callback_url: url }, undefined, 'public').callbackUrl).toBe(url);
    expect(read({ ...RIGHT, mcc: 7, callback_url: url }, undefined, 'public')).toMatchObject({
      callbackUrl: url,
      request: { reason: 'malformed_field', detail: 'mcc' },
    });
  });

  test('K10: is the card’s own if none is named; null is none, whatever the card says', () => {
    expect(read(RIGHT, undefined, 'public')).toMatchObject({ callbackUrl: null, isSentAsCardSays: true });
    expect(read({ ...RIGHT, callback_url: null }, undefined, 'public')).toMatchObject({
      callbackUrl: null,
      isSentAsCardSays: false,
    });
    expect(read({ ...RIGHT, callback_url: url }, undefined, 'public').isSentAsCardSays).toBe(false);
    expect(read(RIGHT).isSentAsCardSays).toBe(false);
  });

  test('means nothing where every answer is waited for', () => {
    expect(read({ ...RIGHT, callback_url: 'nonsense' })).toEqual(read(RIGHT));
  });

  test.each<[string, unknown, Reach]>([
    ['no URL', 'nowhere', 'anywhere'],
    ['no text', 7, 'anywhere'],
    ['2049 characters', `https://a.example/${'x'.repeat(2031)}`, 'anywhere'],
    ['without TLS outside the sandbox', 'http://network.example/', 'public'],
    ['this machine outside the sandbox', 'https://127.0.0.1/', 'public'],
    ['a private address in other clothes', 'https://[::ffff:10.0.0.1]/', 'public'],
  ])('is refused with 07 if it is %s', (_what, callback, reach) => {
    expect(read({ ...RIGHT, callback_url: callback }, undefined, reach)).toMatchObject({
      callbackUrl: null,
      request: { reason: 'malformed_field', detail: 'callback_url' },
    });
  });
});
