import { describe, expect, test } from 'vitest';
import type { Operation } from './attempt.ts';
import {
  type Expected,
  isProbeAnswered,
  readAnswer,
  readCallback,
  readDocument,
} from './gateway-protocol.ts';

const AT = { askedAt: 40, now: 50 };
const KEY = 'att_01h455vb4pex5vsknk084sn02q';
const CHARGE: Expected = { kind: 'charge', key: KEY, charge: null, amount: 100, currency: 'USD' };
const REFUND: Expected = { ...CHARGE, kind: 'refund', charge: 'att_01h455vb4pex5vsknk084sn02r' };
const DOCUMENT = { id: 'ch_1', key: KEY, reference: 'r', amount: 100, currency: 'USD', status: 'approved' };
const GIVEN_BACK = { ...DOCUMENT, id: 're_1', charge: REFUND.charge, status: 'succeeded' };

function answer(status: number, body: unknown, retryAfter?: string) {
  return { status, retryAfter, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) };
}

describe('an answer', () => {
  test.each<[string, Operation, number, unknown, object]>([
    ['approved', 'charge', 201, DOCUMENT, { kind: 'approved', reference: 'ch_1' }],
    ['the same again', 'charge', 200, DOCUMENT, { kind: 'approved' }],
    ['pending', 'charge', 201, { ...DOCUMENT, status: 'pending' }, { kind: 'pending' }],
    [
      'declined, with the reason',
      'charge',
      201,
      { ...DOCUMENT, status: 'declined', decline: { code: 'insufficient_funds', detail: 'Too little.' } },
      { kind: 'declined', code: 'insufficient_funds', detail: 'Too little.' },
    ],
    [
      'declined without one',
      'charge',
      201,
      { ...DOCUMENT, status: 'declined' },
      { kind: 'declined', code: 'unknown' },
    ],
    ['a charge whose key was voided', 'charge', 409, { code: 'charge_voided' }, { kind: 'voided' }],
    ['another conflict', 'charge', 409, { code: 'busy' }, { kind: 'unclear' }],
    ['a request refused as it is', 'charge', 422, { code: 'currency', detail: 'x' }, { kind: 'rejected' }],
    ['our key wrong', 'charge', 401, { code: 'unauthorized' }, { kind: 'rejected' }],
    ['refused by somebody in between (G2)', 'charge', 403, '<h1>Forbidden</h1>', { kind: 'unclear' }],
    ['refused without a word (G2)', 'charge', 422, { detail: 'no' }, { kind: 'unclear' }],
    [
      'the idempotency key with another body',
      'charge',
      422,
      { code: 'idempotency_key_reused' },
      { kind: 'unclear' },
    ],
    ['a failure', 'charge', 500, {}, { kind: 'error' }],
    ['a gateway’s timeout', 'charge', 504, 'whatever', { kind: 'error' }],
    ['no JSON', 'charge', 200, 'thanks!', { kind: 'unclear' }],
    ['nothing', 'charge', 200, '', { kind: 'unclear' }],
    ['a redirection', 'charge', 302, '', { kind: 'unclear' }],
    ['a status that there is not', 'charge', 200, { ...DOCUMENT, status: 'perhaps' }, { kind: 'unclear' }],
    [
      'a charge that is not known',
      'inquire',
      404,
      { code: 'charge_not_found' },
      { kind: 'not_found', askedAt: 40 },
    ],
    ['a 404 of somebody else (G2)', 'inquire', 404, 'no such page', { kind: 'unclear' }],
    ['a voided key', 'void', 200, { key: KEY, status: 'voided' }, { kind: 'voided' }],
    ['a void of somebody else’s key', 'void', 200, { key: 'att_x', status: 'voided' }, { kind: 'unclear' }],
    [
      'a void that is too late',
      'void',
      409,
      { code: 'charge_approved', charge: DOCUMENT },
      { kind: 'approved' },
    ],
    ['the same without its charge', 'void', 409, { code: 'charge_approved' }, { kind: 'unclear' }],
    ['a void of what is not known', 'void', 404, { code: 'charge_not_found' }, { kind: 'unclear' }],
  ])('of a charge: %s', (...[, operation, status, body, expected]) => {
    expect(readAnswer(operation, CHARGE, answer(status, body), AT)).toMatchObject(expected);
  });

  test.each<[string, Operation, number, unknown, object]>([
    ['given back', 'refund', 201, GIVEN_BACK, { kind: 'refunded', reference: 're_1' }],
    ['accepted', 'refund', 202, { ...GIVEN_BACK, status: 'pending' }, { kind: 'pending' }],
    [
      'failed',
      'inquire_refund',
      200,
      { ...GIVEN_BACK, status: 'failed', failure: { code: 'x' } },
      { kind: 'failed' },
    ],
    ['more than there is', 'refund', 422, { code: 'refund_exceeds_charge' }, { kind: 'rejected' }],
    ['of no charge', 'refund', 404, { code: 'charge_not_found' }, { kind: 'rejected' }],
    [
      'our key wrong: mended by people, not refused',
      'refund',
      401,
      { code: 'unauthorized' },
      { kind: 'unclear' },
    ],
    ['not known', 'inquire_refund', 404, { code: 'refund_not_found' }, { kind: 'not_found', askedAt: 40 }],
    ['of another charge', 'refund', 201, { ...GIVEN_BACK, charge: 'att_x' }, { kind: 'unclear' }],
  ])('of a refund: %s', (...[, operation, status, body, expected]) => {
    expect(readAnswer(operation, REFUND, answer(status, body), AT)).toMatchObject(expected);
  });

  test.each([
    ['-1', { ...DOCUMENT, amount: 99 }],
    ['+1', { ...DOCUMENT, amount: 101 }],
    ['as text', { ...DOCUMENT, amount: '100' }],
    ['another currency', { ...DOCUMENT, currency: 'EUR' }],
    ['another key', { ...DOCUMENT, key: 'att_x' }],
  ])('G1: about another amount, currency or key says nothing: %s', (_what, document) => {
    expect(readDocument(document, CHARGE)).toBeUndefined();
  });

  test('a provider’s texts are cut, and dropped if they cannot be stored', () => {
    const long = { ...DOCUMENT, status: 'declined', decline: { code: 'c', detail: 'x'.repeat(2000) } };
    expect(readDocument(long, CHARGE)).toMatchObject({ detail: 'x'.repeat(500) });
    const emoji = { ...long, decline: { code: 'c', detail: `${'x'.repeat(499)}😀 and more` } };
    expect(readDocument(emoji, CHARGE)).toMatchObject({ detail: 'x'.repeat(499) });
    expect(readDocument({ ...DOCUMENT, id: 'a\0b' }, CHARGE)).toMatchObject({ reference: null });
  });
});

test('a callback that says one thing in its type and another in its data is none', () => {
  const body = (type: string, status: string) =>
    Buffer.from(JSON.stringify({ type, data: { ...DOCUMENT, status } }));
  expect(readCallback(body('charge.approved', 'approved'))).toMatchObject({ kind: 'charge', key: KEY });
  expect(readCallback(body('charge.approved', 'declined'))).toBeUndefined();
  expect(readCallback(body('charge.flew', 'approved'))).toBeUndefined();
});

test.each([
  [undefined, 1000],
  ['3', 3000],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:00:07 GMT', 2000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['soon', 1000],
])('Retry-After %s at 5 s is %i ms', (value, expected) => {
  expect(readAnswer('charge', CHARGE, answer(429, '', value), { askedAt: 4000, now: 5000 })).toEqual({
    kind: 'throttled',
    retryAfterMs: expected,
  });
});

test('a probe is answered by a provider that knows no such charge, and by nobody else', () => {
  expect(isProbeAnswered(answer(404, { code: 'charge_not_found' }))).toBe(true);
  expect(isProbeAnswered(answer(404, 'no such page'))).toBe(false);
  expect(isProbeAnswered(answer(500, {}))).toBe(false);
  expect(isProbeAnswered(answer(200, DOCUMENT))).toBe(false);
});

test.each([
  ['no JSON', 'x'],
  ['an array', '[]'],
  ['no type', JSON.stringify({ data: DOCUMENT })],
  ['a type of something else', JSON.stringify({ type: 'payout.sent', data: DOCUMENT })],
  ['no data', JSON.stringify({ type: 'charge.approved' })],
  ['no key', JSON.stringify({ type: 'charge.approved', data: {} })],
])('%s is no callback', (_what, body) => {
  expect(readCallback(Buffer.from(body))).toBeUndefined();
});
