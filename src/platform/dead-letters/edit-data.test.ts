import { expect, test } from 'vitest';
import type { JsonObject, LogEvent } from '../log/event.ts';
import { objectionTo } from './edit-data.ts';

function event(position: number, data: JsonObject): LogEvent {
  return {
    topic: 'validation',
    partition: 0,
    position,
    type: 'payment.validated',
    version: 1,
    subject: 'pay_1',
    tenant: 'acme',
    key: 'wallet',
    data,
    correlationId: 'cor_1',
    causation: 'req_1',
    traceparent: null,
    occurredAt: 0,
  };
}

const TERMS = { wallet_id: 'w', service_id: 's', amount: 100, currency: 'USD' };
const REQUEST = event(1, TERMS);

function objection(data: JsonObject, original: JsonObject, timeline = [REQUEST]) {
  const refusal = objectionTo({ data, original: event(2, original), timeline, faults: [] });
  return refusal === undefined ? undefined : [refusal.code, refusal.errors?.map(({ pointer }) => pointer)];
}

test.each([
  ['leaves the terms', TERMS, TERMS],
  ['adds what is no term', { ...TERMS, note: 'x' }, TERMS],
  [
    'brings a missing amount back as the saga has it',
    TERMS,
    { wallet_id: 'w', service_id: 's', currency: 'USD' },
  ],
  ['mends an amount that differs from the saga', TERMS, { ...TERMS, amount: 7 }],
])('an edit that %s is taken', (_what, data, original) => {
  expect(objection(data, original)).toBeUndefined();
});

test.each([
  ['amount + 1', { ...TERMS, amount: 101 }, TERMS, '/data/amount'],
  ['amount - 1', { ...TERMS, amount: 99 }, TERMS, '/data/amount'],
  ['another payee', { ...TERMS, service_id: 'mine' }, TERMS, '/data/service_id'],
  [
    'an amount of its own where it was missing',
    { ...TERMS, amount: 9 },
    { wallet_id: 'w', service_id: 's', currency: 'USD' },
    '/data/amount',
  ],
  ['a term taken away', { wallet_id: 'w', service_id: 's', currency: 'USD' }, TERMS, '/data/amount'],
  [
    'another attempt',
    { ...TERMS, attempt_id: 'att_2' },
    { ...TERMS, attempt_id: 'att_1' },
    '/data/attempt_id',
  ],
  ['other postings', { ...TERMS, postings: [1] }, { ...TERMS, postings: [2] }, '/data/postings'],
])('E2: an edit with %s is refused', (_what, data, original, pointer) => {
  expect(objection(data as JsonObject, original as JsonObject)).toEqual([
    'dead_letters.terms_changed',
    [pointer],
  ]);
});

test('E1: what breaks the contract is refused with its faults, and so is what has no contract', () => {
  const fault = { pointer: '/data/amount', code: 'required', detail: 'is required' };
  const edit = { data: {}, original: event(2, {}), timeline: [] };
  expect(objectionTo({ ...edit, faults: [fault] })).toMatchObject({
    code: 'dead_letters.invalid_data',
    errors: [fault],
  });
  expect(objectionTo({ ...edit, faults: undefined })).toMatchObject({ code: 'dead_letters.invalid_data' });
});
