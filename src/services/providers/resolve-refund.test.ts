/** A person's word about a refund in doubt: taken once, told as whose it is, and not above what the provider has said. */
import { expect, test } from 'vitest';
import type { LastEvent } from '#platform/log/own-effects.ts';
import { sendingAttempt } from '../../../tests/sending-attempt.ts';
import { Attempts } from './attempts.ts';
import { type RefundResolutionOrder, resolveRefund } from './resolve-refund.ts';

const REFUND = 'ref_1';
const IN_DOUBT = sendingAttempt({
  subject: REFUND,
  kind: 'refund',
  purpose: 'refund',
  amount: 40,
  exposed: true,
  toldUnresolved: true,
  cause: 'providers/0/7',
});

function say(
  attempts: Attempts,
  outcome: RefundResolutionOrder['outcome'],
  {
    tenant = 'acme',
    refund = REFUND,
    standing,
  }: { tenant?: string; refund?: string; standing?: LastEvent } = {},
) {
  const order = {
    operation: 'refunds.resolve',
    refund_id: refund,
    outcome,
    reason: 'seen in the portal',
  } as const;
  return resolveRefund(attempts, { tenant, actor: 'key_1', order, standing });
}

test.each([
  [
    'refunded',
    'refunded',
    'provider.refunded',
    2,
    'alfa has given the money back, says key_1: seen in the portal',
  ],
  [
    'not_refunded',
    'refused',
    'provider.refund_refused',
    1,
    'alfa has not given the money back, says key_1: seen in the portal',
  ],
] as const)(
  '%s: the attempt is %s, nobody is asked any more, %s says whose word it is',
  (...[outcome, state, type, version, detail]) => {
    const attempts = new Attempts([IN_DOUBT]);
    expect(say(attempts, outcome)).toMatchObject({ ok: true, value: { state, dueAt: null } });
    expect(attempts.changes().changed).toMatchObject([{ state, dueAt: null }]);
    const { drafts } = attempts.changes();
    expect(drafts).toMatchObject([
      { type, version, subject: REFUND, causation: 'providers/0/7', data: { detail } },
    ]);
    expect(say(attempts, outcome)).toMatchObject({
      ok: false,
      problem: { code: 'refunds.not_in_reconciliation' },
    });
    expect(attempts.changes().drafts).toEqual(drafts);
  },
);

test.each([
  ['that is not in doubt yet', { toldUnresolved: false }, {}, 'refunds.not_in_reconciliation'],
  ['that its provider has made', { state: 'refunded' }, {}, 'refunds.not_in_reconciliation'],
  ['that its provider has refused', { state: 'refused' }, {}, 'refunds.not_in_reconciliation'],
  ['of another tenant', {}, { tenant: 'other' }, 'refunds.not_found'],
  ['that nobody was asked for', {}, { refund: 'ref_2' }, 'refunds.not_found'],
  [
    'that gives a charge back, for which its payment is resolved',
    { purpose: 'compensation' },
    {},
    'refunds.not_found',
  ],
] as const)('of a refund %s it is not taken', (_which, change, said, code) => {
  const attempts = new Attempts([{ ...IN_DOUBT, ...change }]);
  expect(say(attempts, 'not_refunded', said)).toMatchObject({ ok: false, problem: { code } });
  expect(attempts.changes()).toMatchObject({ changed: [], drafts: [] });
});

const PARKED: LastEvent = {
  type: 'refund.reconciliation_required',
  identity: 'authorization/0/9',
  causation: 'ledger/0/4',
};
const MADE = { ...IN_DOUBT, state: 'refunded', dueAt: null } as const;

test('one that its provider has made and the ledger has not posted is told again, at each refusal once', () => {
  const attempts = new Attempts([MADE]);
  expect(say(attempts, 'refunded', { standing: PARKED })).toMatchObject({
    ok: true,
    value: { state: 'refunded', cause: PARKED.identity },
  });
  const { drafts, moved } = attempts.changes();
  expect(drafts).toMatchObject([
    {
      type: 'provider.refunded',
      version: 3,
      causation: PARKED.identity,
      data: {
        amount: 40,
        detail: 'alfa has given the money back; it is to be posted again, says key_1: seen in the portal',
      },
    },
  ]);
  expect(moved).toEqual([]);
  expect(say(attempts, 'refunded', { standing: PARKED })).toMatchObject({
    ok: false,
    problem: { code: 'refunds.not_in_reconciliation' },
  });
  expect(say(attempts, 'refunded', { standing: { ...PARKED, identity: 'authorization/0/12' } }).ok).toBe(
    true,
  );
  expect(attempts.changes().drafts).toHaveLength(2);
});

test.each([
  ['its provider’s word has not been taken yet', 'refunded', { ...PARKED, causation: 'providers/0/7' }],
  ['it is being posted', 'refunded', { ...PARKED, type: 'refund.confirmed' }],
  ['it is posted', 'refunded', { ...PARKED, type: 'refund.completed' }],
  ['nothing is known of it', 'refunded', undefined],
  ['a person says that it is not made', 'not_refunded', PARKED],
] as const)('it is not told again where %s', (_where, outcome, standing) => {
  const attempts = new Attempts([MADE]);
  expect(say(attempts, outcome, standing && { standing })).toMatchObject({
    ok: false,
    problem: { code: 'refunds.not_in_reconciliation' },
  });
  expect(attempts.changes()).toMatchObject({ changed: [], drafts: [] });
});
