/** P8: whatever a provider, or the way to it, says: what is told of it is what the contracts say. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { isStorableJson } from '#kernel/text.ts';
import { loadEventContracts } from '../../../tests/event-contracts.ts';
import { ATTEMPTED_AT, deciding, sendingAttempt } from '../../../tests/sending-attempt.ts';
import type { Attempt } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { decideAttempt } from './decide-attempt.ts';
import type { CallResult, Report } from './report.ts';

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
const validators = new Map(
  loadEventContracts()
    .filter(({ service }) => service === 'providers')
    .map(({ type, schema }) => [type, ajv.compile(schema)]),
);

const SENDING = sendingAttempt();
const CANCELLING: Attempt = { ...SENDING, cancelling: true };
const EXPOSED: Attempt = { ...SENDING, exposed: true };
const REFUND: Attempt = { ...SENDING, kind: 'refund', purpose: 'refund', chargeUuid: SENDING.uuid };

/** What is told of an attempt that a call has ended so. */
function toldOf(attempt: Attempt, result: CallResult) {
  const attempts = new Attempts([attempt]);
  const report: Report = { from: 'call', operation: attempt.kind, begunAs: 1, call: 1, result };
  decideAttempt(attempts, { subject: attempt.subject, uuid: attempt.uuid, report }, deciding(ATTEMPTED_AT));
  return attempts.changes().drafts;
}

const DETAILS = {
  empty: '',
  blank: ' ',
  long: 'x'.repeat(5000),
  'long in two units each': `x${'😀'.repeat(2000)}`,
  'no text that can be stored': 'a\0b\ud800',
};

describe.each(Object.entries(DETAILS))('a detail that is %s', (_what, detail) => {
  test.each<[string, Attempt, CallResult]>([
    ['provider.closed', SENDING, { kind: 'rejected', code: 'no', detail }],
    ['provider.closed', SENDING, { kind: 'not_sent', detail }],
    ['provider.cancelled', CANCELLING, { kind: 'rejected', code: 'no', detail }],
    ['provider.cancelled', CANCELLING, { kind: 'not_sent', detail }],
    ['provider.unknown', EXPOSED, { kind: 'rejected', code: 'no', detail }],
    ['provider.unknown', SENDING, { kind: 'unclear', detail }],
    ['provider.declined', SENDING, { kind: 'declined', code: 'no', detail }],
    ['provider.refund_refused', REFUND, { kind: 'failed', code: 'no', detail }],
    ['provider.refund_refused', REFUND, { kind: 'rejected', code: 'no', detail }],
  ])('is told by %s as its contract takes it', (type, attempt, result) => {
    const [told, ...others] = toldOf(attempt, result);
    expect(told?.type).toBe(type);
    for (const { type: each, data } of told === undefined ? [] : [told, ...others]) {
      const isValid = validators.get(each);
      expect([isValid?.(JSON.parse(JSON.stringify(data))), isValid?.errors]).toEqual([true, null]);
      expect(isStorableJson(data)).toBe(true);
    }
  });
});

test('a refusal without a word is told by its code, one with words by both', () => {
  const [wordless] = toldOf(SENDING, { kind: 'rejected', code: 'amount_too_small', detail: '' });
  expect(wordless?.data).toMatchObject({ detail: 'amount_too_small' });
  const [worded] = toldOf(SENDING, { kind: 'rejected', code: 'amount_too_small', detail: 'Too little.' });
  expect(worded?.data).toMatchObject({ detail: 'Too little. (amount_too_small)' });
});
