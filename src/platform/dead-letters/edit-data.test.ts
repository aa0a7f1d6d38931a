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

const TERMS = { wallet_id: 'w', service_id: 's', amount: 100, currency: 'USD', method: 'balance' };
const REQUEST = event(1, TERMS);
/** All of them may be what was wrong with the original. */
const FAULTS = ['wallet_id', 'service_id', 'amount', 'currency', 'method', 'attempt_id'].map((member) => ({
  pointer: `/data/${member}`,
  code: 'required',
  detail: 'is required',
}));

function objection(data: JsonObject, original: JsonObject, timeline = [REQUEST]) {
  const own = event(2, original);
  const refusal = objectionTo({ data, original: own, timeline, faults: [], originalFaults: FAULTS });
  return refusal === undefined ? undefined : [refusal.code, refusal.errors?.map(({ pointer }) => pointer)];
}

function without(...members: string[]): JsonObject {
  return Object.fromEntries(Object.entries(TERMS).filter(([member]) => !members.includes(member)));
}

test.each([
  ['leaves the terms', TERMS, TERMS],
  ['says something else to people', { ...TERMS, detail: 'x' }, { ...TERMS, detail: 'y' }],
  ['brings a missing amount back as the saga has it', TERMS, without('amount')],
  ['brings all terms back', TERMS, {}],
  ['mends an amount that is none', TERMS, { ...TERMS, amount: '100' }],
])('an edit that %s is taken', (_what, data, original) => {
  expect(objection(data, original)).toBeUndefined();
});

test.each([
  ['amount + 1', { ...TERMS, amount: 101 }, TERMS, '/data/amount'],
  ['amount - 1', { ...TERMS, amount: 99 }, TERMS, '/data/amount'],
  ['another payee', { ...TERMS, service_id: 'mine' }, TERMS, '/data/service_id'],
  ['an amount of its own where it was missing', { ...TERMS, amount: 9 }, without('amount'), '/data/amount'],
  ['a term taken away', without('amount'), TERMS, '/data/amount'],
  ['another attempt', { attempt_id: 'att_2' }, { attempt_id: 'att_1' }, '/data/attempt_id'],
  ['an attempt where it was missing', { ...TERMS, attempt_id: 'att_2' }, TERMS, '/data/attempt_id'],
  ['other postings', { ...TERMS, postings: [1] }, { ...TERMS, postings: [2] }, '/data/postings'],
  ['another outcome', { outcome: 'not_charged' }, { outcome: 'charged' }, '/data/outcome'],
  ['another subject of it', { regarding: 'completion' }, { regarding: 'charge' }, '/data/regarding'],
  ['another step', { step: 'reverse_posting' }, { step: 'refund_charge' }, '/data/step'],
  ['a purpose', { purpose: 'reversal' }, {}, '/data/purpose'],
  ['no purpose', {}, { purpose: 'reversal' }, '/data/purpose'],
  ['a member that every object inherits', { ...TERMS, constructor: 1 }, TERMS, '/data/constructor'],
])('E2: an edit with %s is refused', (_what, data, original, pointer) => {
  expect(objection(data, original)).toEqual(['dead_letters.terms_changed', [pointer]]);
});

test('E3: an amount is not brought back from an event that tells no terms, nor for one whose contract has none', () => {
  const attempt = event(1, { attempt_id: 'att_1', amount: 7, currency: 'USD' });
  expect(objection({ ...TERMS, amount: 7 }, without('amount'), [attempt, REQUEST])?.[1]).toEqual([
    '/data/amount',
  ]);
  expect(objection(TERMS, without('amount'), [attempt, REQUEST])).toBeUndefined();
  expect(objection({ amount: 100, currency: 'USD' }, { currency: 'USD' })?.[1]).toEqual(['/data/amount']);
});

test('E3: what the event itself tells is nobody else’s word, and data that is no object tells nothing', () => {
  const own = event(2, without('amount'));
  expect(objection(TERMS, own.data, [own])?.[1]).toEqual(['/data/amount']);
  expect(objection(TERMS, null as never, [event(1, null as never), REQUEST])).toBeUndefined();
});

test('E1: what breaks the contract is refused with its faults, and so is what has no contract', () => {
  const fault = { pointer: '/data/amount', code: 'required', detail: 'is required' };
  const edit = { data: {}, original: event(2, {}), timeline: [], originalFaults: [] };
  expect(objectionTo({ ...edit, faults: [fault] })).toMatchObject({
    code: 'dead_letters.invalid_data',
    errors: [fault],
  });
  expect(objectionTo({ ...edit, faults: undefined })).toMatchObject({ code: 'dead_letters.invalid_data' });
});
