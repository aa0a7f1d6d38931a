/** What each report does to an attempt in each state: its state, what is told, and when it is looked at next. */
import { describe, expect, test } from 'vitest';
import type { LogEvent } from '#platform/log/event.ts';
import type { ChargeResolved } from '#services/authorization/contract.ts';
import { ATTEMPTED_AT, sendingAttempt } from '../../../tests/sending-attempt.ts';
import { type Attempt, type AttemptState, attemptUuid, type Operation } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { decideAttempt } from './decide-attempt.ts';
import type { DecisionContext } from './decision-context.ts';
import type { CallResult, Report, Statement } from './report.ts';
import { resolve } from './resolve-charge.ts';
import { routingOf } from './routing.ts';

const PAYMENT = 'pay_01h455vb4pex5vsknk084sn02q';
const NOW = ATTEMPTED_AT;

const PROVIDER = {
  url: '',
  apiKey: '',
  webhookSecret: '',
  timeoutMs: 2000,
  concurrency: 1,
  canVoid: true,
  settlesWithinMs: 10_000,
};
const ROUTES = [{ currencies: null, minAmount: 1, maxAmount: 1000, providers: ['alfa', 'beta'] }];

interface Circumstances {
  readonly canVoid?: boolean;
  /** Providers that would be sent one more charge. */
  readonly room?: readonly string[];
  /** Providers that are called; by default those that have room. */
  readonly available?: readonly string[];
  /** Providers that are waited for; by default all. */
  readonly awaited?: readonly string[];
  readonly now?: number;
}

function contextOf({
  canVoid = true,
  room = ['alfa', 'beta'],
  available = room,
  awaited = ['alfa', 'beta'],
  now = NOW,
}: Circumstances = {}): DecisionContext {
  return {
    now,
    random: () => 0,
    deadlines: { chargeMs: 60_000, refundMs: 600_000 },
    routing: routingOf(
      { providers: ['alfa', 'beta'].map((name) => ({ ...PROVIDER, name, canVoid })), routes: ROUTES },
      {
        isAvailable: (name) => available.includes(name),
        hasRoom: (name) => room.includes(name),
        isAwaited: (name) => awaited.includes(name),
      },
    ),
  };
}

/** Nothing is due of it. */
function attemptIn(state: AttemptState, more: Partial<Attempt> = {}): Attempt {
  const uuid = attemptUuid(PAYMENT, more.kind ?? 'charge', more.number ?? 1);
  return sendingAttempt({ uuid, subject: PAYMENT, state, dueAt: null, ...more });
}

interface Outcome {
  readonly states: readonly string[];
  readonly told: readonly string[];
  /** Of the last attempt, from now on. */
  readonly dueInMs: number | null;
}

function decide(given: Attempt | readonly Attempt[], report: Report, context = contextOf()): Outcome {
  const loaded = [given].flat();
  const attempts = new Attempts(loaded);
  const [about] = loaded;
  if (about === undefined) throw new Error('about which attempt?');
  decideAttempt(attempts, { subject: PAYMENT, uuid: about.uuid, report }, context);
  const after = attempts.of(PAYMENT);
  const dueAt = after.at(-1)?.dueAt ?? null;
  return {
    states: after.map(({ state }) => state),
    told: attempts.changes().drafts.map(({ type }) => type.replace('provider.', '')),
    dueInMs: dueAt === null ? null : dueAt - context.now,
  };
}

function called(operation: Operation, result: CallResult, call = 1, begunAs = call): Report {
  return { from: 'call', operation, begunAs, call, result };
}

function calledBack(result: Statement): Report {
  return { from: 'callback', result };
}

const APPROVED: Statement = { kind: 'approved', reference: 'ch_1' };
const DECLINED: Statement = { kind: 'declined', code: 'no', detail: '' };
const PENDING: Statement = { kind: 'pending', reference: 'ch_1' };
const VOIDED: Statement = { kind: 'voided' };
const UNSENT: CallResult = { kind: 'not_sent', detail: 'refused' };
const NOT_CALLED: CallResult = { kind: 'not_called', detail: 'away' };
const BUSY: CallResult = { kind: 'busy', detail: 'full' };
const UNCLEAR: CallResult = { kind: 'unclear', detail: 'late' };
const ERROR: CallResult = { kind: 'error', detail: '500' };
const NOT_FOUND: CallResult = { kind: 'not_found', askedAt: NOW };
const TOO_LATE: CallResult = { kind: 'too_late', detail: 'over' };
const REJECTED: CallResult = { kind: 'rejected', code: 'x', detail: 'x' };

describe('a statement of the provider', () => {
  test.each<[AttemptState, Statement, readonly string[], readonly string[]]>([
    ['sending', APPROVED, ['approved'], ['approved']],
    ['waiting', APPROVED, ['approved'], ['approved']],
    ['pending', APPROVED, ['approved'], ['approved']],
    ['unknown', APPROVED, ['approved'], ['approved']],
    ['voiding', APPROVED, ['approved'], ['approved']],
    ['approved', APPROVED, ['approved'], []],
    ['resolved_charged', APPROVED, ['approved'], []],
    ['reversed', APPROVED, ['reversed'], ['contradicted']],
    ['unexpected', APPROVED, ['unexpected'], []],
    ['closed', APPROVED, ['unexpected', 'sending'], ['charged_unexpectedly']],
    ['resolved_not_charged', APPROVED, ['unexpected', 'sending'], ['charged_unexpectedly']],
    ['declined', APPROVED, ['declined'], ['contradicted']],
    ['sending', DECLINED, ['declined'], ['declined']],
    ['voiding', DECLINED, ['declined'], ['declined']],
    ['declined', DECLINED, ['declined'], []],
    ['closed', DECLINED, ['closed'], []],
    ['approved', DECLINED, ['approved'], ['contradicted']],
    ['resolved_charged', DECLINED, ['resolved_charged'], ['contradicted']],
    ['unknown', VOIDED, ['closed', 'waiting'], ['closed']],
    ['voiding', VOIDED, ['closed', 'waiting'], ['closed']],
    ['closed', VOIDED, ['closed'], []],
    ['approved', VOIDED, ['approved'], ['contradicted']],
    ['sending', PENDING, ['pending'], []],
    ['unknown', PENDING, ['pending'], []],
    ['voiding', PENDING, ['voiding'], []],
    ['approved', PENDING, ['approved'], []],
    ['closed', PENDING, ['closed'], []],
  ])('about a charge that is %s: %j', (state, statement, states, told) => {
    expect(decide(attemptIn(state), calledBack(statement))).toMatchObject({ states, told });
  });

  test('of a charge that is to be called off ends it as cancelled, unless it is approved', () => {
    const cancelling = attemptIn('voiding', { cancelling: true });
    expect(decide(cancelling, calledBack(VOIDED))).toMatchObject({ states: ['closed'], told: ['cancelled'] });
    expect(decide(cancelling, calledBack(DECLINED))).toMatchObject({
      states: ['declined'],
      told: ['cancelled'],
    });
    expect(decide(cancelling, calledBack(APPROVED))).toMatchObject({
      states: ['approved'],
      told: ['approved'],
    });
  });

  test('that contradicts is told once for each thing it says', () => {
    const before = attemptIn('approved', { contradictions: ['declined'] });
    expect(decide(before, calledBack(DECLINED)).told).toEqual([]);
    expect(decide(before, calledBack(VOIDED)).told).toEqual(['contradicted']);
  });

  test('by an inquiry after a decline is what holds', () => {
    const recheck = attemptIn('declined', { dueAt: NOW });
    expect(decide(recheck, called('inquire', APPROVED))).toMatchObject({ told: ['charged_unexpectedly'] });
    expect(decide(recheck, called('inquire', DECLINED))).toMatchObject({
      states: ['declined'],
      dueInMs: null,
    });
  });
});

describe('a decline that a callback tells', () => {
  const waiting = attemptIn('unknown', { exposed: true });

  test('ends the attempt, and is made sure of: the answer that was lost may have said otherwise', () => {
    const after = decide(waiting, calledBack(DECLINED));
    expect(after).toMatchObject({ states: ['declined'], told: ['declined'] });
    expect(after.dueInMs).not.toBeNull();
    expect(decide(waiting, called('inquire', DECLINED))).toMatchObject({ dueInMs: null });
    expect(decide(attemptIn('sending'), called('charge', DECLINED))).toMatchObject({ dueInMs: null });
  });

  test('is not made sure of by another callback', () => {
    const recheck = attemptIn('declined', { dueAt: NOW + 500 });
    expect(decide(recheck, calledBack(DECLINED))).toMatchObject({ told: [], dueInMs: 500 });
  });
});

describe('a charge that brought no statement', () => {
  test.each<[string, Partial<Attempt>, CallResult, readonly string[], readonly string[], number | null]>([
    ['never left, another is left', {}, UNSENT, ['closed', 'waiting'], ['closed'], 0],
    ['never left, none is left', { others: [] }, UNSENT, ['waiting'], [], 125],
    [
      'never left, for the fourth time',
      { others: [], tries: 3 },
      UNSENT,
      ['closed', 'waiting'],
      ['closed'],
      250,
    ],
    [
      'never left, the last of all',
      { others: [], tries: 3, number: 6 },
      UNSENT,
      ['closed'],
      ['closed', 'exhausted'],
      null,
    ],
    ['never left now, but may have before', { exposed: true }, UNSENT, ['unknown'], ['unknown'], 500],
    ['held back', {}, { kind: 'held_back', detail: '' }, ['waiting'], [], 200],
    ['busy, another has room', {}, BUSY, ['closed', 'waiting'], ['closed'], 0],
    ['busy, none is left', { others: [] }, BUSY, ['waiting'], [], 125],
    ['busy, but may have left before', { exposed: true }, BUSY, ['waiting'], [], 125],
    ['429', {}, { kind: 'throttled', retryAfterMs: 2000 }, ['waiting'], [], 2000],
    ['429 for too long', {}, { kind: 'throttled', retryAfterMs: 5001 }, ['voiding'], [], 0],
    ['429 too often', { tries: 3 }, { kind: 'throttled', retryAfterMs: 1 }, ['voiding'], [], 0],
    ['500 once', {}, ERROR, ['waiting'], [], 100],
    ['500 for the third time', { tries: 2 }, ERROR, ['unknown'], ['unknown'], 500],
    ['refused as it is', {}, REJECTED, ['closed', 'waiting'], ['closed'], 0],
    ['refused as it is, perhaps taken before', { exposed: true }, REJECTED, ['unknown'], ['unknown'], 500],
    ['no answer', {}, UNCLEAR, ['unknown'], ['unknown'], 500],
    ['no answer, told already', { toldUnknown: true }, UNCLEAR, ['unknown'], [], 500],
    ['left behind', {}, { kind: 'lapsed' }, ['unknown'], ['unknown'], 0],
  ])('%s', (...[, more, result, states, told, dueInMs]) => {
    expect(decide(attemptIn('sending', more), called('charge', result))).toEqual({ states, told, dueInMs });
  });

  describe('its provider not being called', () => {
    const nobody = { room: [], available: [] };
    const late = { ...nobody, awaited: [], now: NOW + 10_000 };

    test.each<[string, Partial<Attempt>, Circumstances, Outcome]>([
      [
        'goes to another that is',
        {},
        { room: ['beta'] },
        { states: ['closed', 'waiting'], told: ['closed'], dueInMs: 0 },
      ],
      [
        'goes to another of its route that was tried before',
        { others: [] },
        { room: ['beta'] },
        { states: ['closed', 'waiting'], told: ['closed'], dueInMs: 0 },
      ],
      [
        'waits for it, if it is again',
        {},
        { room: [], available: ['alfa'] },
        { states: ['waiting'], told: [], dueInMs: 200 },
      ],
      ['waits for anybody, if nobody is', {}, nobody, { states: ['waiting'], told: [], dueInMs: 200 }],
      [
        'waits for another that is expected back',
        {},
        { ...nobody, awaited: ['beta'] },
        { states: ['waiting'], told: [], dueInMs: 200 },
      ],
      [
        'waits for 10 s, though nobody is waited for any more',
        {},
        { ...late, now: NOW + 9000 },
        { states: ['waiting'], told: [], dueInMs: 200 },
      ],
      [
        'is given up when nobody is waited for any more',
        {},
        late,
        { states: ['closed'], told: ['closed', 'exhausted'], dueInMs: null },
      ],
      [
        'waits no longer than its deadline',
        { deadlineAt: NOW + 50 },
        nobody,
        { states: ['waiting'], told: [], dueInMs: 50 },
      ],
      [
        'is called off, if it is to be',
        { cancelling: true },
        late,
        { states: ['closed'], told: ['cancelled'], dueInMs: null },
      ],
      [
        'D2: is in doubt, if it may have left before',
        { exposed: true },
        late,
        { states: ['unknown'], told: ['unknown'], dueInMs: 500 },
      ],
    ])('%s', (_what, more, context, outcome) => {
      const attempt = attemptIn('sending', more);
      expect(decide(attempt, called('charge', NOT_CALLED), contextOf(context))).toEqual(outcome);
    });

    test('stays one of the round: nobody has tried it', () => {
      const attempts = new Attempts([attemptIn('sending', { others: [] })]);
      const { uuid } = attemptIn('sending');
      const report = called('charge', NOT_CALLED);
      decideAttempt(attempts, { subject: PAYMENT, uuid, report }, contextOf({ room: ['beta'] }));
      expect(attempts.of(PAYMENT).at(-1)).toMatchObject({ provider: 'beta', others: ['alfa'] });
    });
  });

  test('after the deadline was not sent: it is closed, or in doubt if it may have left before', () => {
    const late = attemptIn('sending', { deadlineAt: NOW });
    expect(decide(late, called('charge', TOO_LATE)).told).toEqual(['closed', 'exhausted']);
    expect(decide({ ...late, exposed: true }, called('charge', TOO_LATE)).told).toEqual([
      'unknown',
      'unresolved',
    ]);
  });

  test('and is not the last one any more, says nothing', () => {
    for (const state of ['waiting', 'pending', 'unknown', 'voiding', 'approved', 'closed'] as const)
      expect(decide(attemptIn(state), called('charge', UNSENT))).toMatchObject({ states: [state], told: [] });
    expect(decide(attemptIn('sending', { calls: 2 }), called('charge', UNSENT))).toMatchObject({
      states: ['sending'],
      told: [],
    });
  });

  test.each([UNSENT, BUSY])('after the deadline is not tried again: %j', (result) => {
    const late = attemptIn('sending', { deadlineAt: NOW });
    expect(decide(late, called('charge', result))).toMatchObject({ told: ['closed', 'exhausted'] });
  });

  test.each([UNSENT, BUSY])('D2: after the deadline is in doubt if it may have left before: %j', (result) => {
    const late = attemptIn('sending', { deadlineAt: NOW, exposed: true });
    expect(decide(late, called('charge', result))).toMatchObject({
      states: ['unknown'],
      told: ['unknown', 'unresolved'],
    });
  });
});

describe('D2: a charge that is not found', () => {
  const unknown = attemptIn('unknown', { exposed: true, toldUnknown: true });

  test('is blocked, and closed only when that is confirmed', () => {
    expect(decide(unknown, called('inquire', NOT_FOUND))).toEqual({
      states: ['voiding'],
      told: [],
      dueInMs: 0,
    });
  });

  test.each([
    [13_999, ['unknown'], []],
    [14_000, ['unknown'], []],
    [14_001, ['closed', 'waiting'], ['closed']],
  ])(
    'without a void waits for its sender, the longest delay and the clocks’ difference: after %i ms',
    (ms, states, told) => {
      const context = contextOf({ canVoid: false, now: NOW + ms });
      expect(
        decide(unknown, called('inquire', { kind: 'not_found', askedAt: NOW + ms }), context),
      ).toMatchObject({
        states,
        told,
      });
    },
  );

  test('is asked for ever more rarely, at least every 30 s', () => {
    const delays = [0, 1, 2, 3, 4, 5, 50].map(
      (tries) => decide({ ...unknown, tries, deadlineAt: NOW + 1e9 }, called('inquire', UNCLEAR)).dueInMs,
    );
    expect(delays).toEqual([1000, 2000, 4000, 7500, 15_000, 15_000, 15_000]);
  });
});

describe('a provider that says that it is still at it', () => {
  test.each(['declined', 'resolved_not_charged'] as const)(
    'is asked ever more rarely about what has ended as %s, and not for ever',
    (state) => {
      const operation = state === 'declined' ? 'inquire' : 'void';
      const ended = attemptIn(state, { dueAt: NOW });
      expect(decide(ended, called(operation, PENDING))).toEqual({ states: [state], told: [], dueInMs: 1000 });
      expect(decide({ ...ended, tries: 9 }, called(operation, PENDING)).dueInMs).toBeNull();
      expect(decide({ ...ended, dueAt: null }, calledBack(PENDING)).dueInMs).toBeNull();
    },
  );

  test('about a void is asked again, ever more rarely, and that is told', () => {
    const voiding = attemptIn('voiding', { exposed: true, tries: 2 });
    expect(decide(voiding, called('void', PENDING))).toEqual({
      states: ['voiding'],
      told: ['unknown'],
      dueInMs: 4000,
    });
    expect(decide({ ...voiding, dueAt: NOW + 7 }, calledBack(PENDING)).dueInMs).toBe(7);
  });
});

describe('a person’s word that something is charged', () => {
  const said = attemptIn('resolved_charged', { dueAt: NOW, tries: 8 });

  test('is confirmed by the provider', () => {
    expect(decide(said, called('inquire', APPROVED))).toEqual({
      states: ['approved'],
      told: [],
      dueInMs: null,
    });
  });

  test('is contradicted by a provider that knows nothing of it to the end', () => {
    expect(decide(said, called('inquire', NOT_FOUND))).toMatchObject({ told: [], dueInMs: 15_000 });
    expect(decide({ ...said, tries: 9 }, called('inquire', NOT_FOUND))).toEqual({
      states: ['resolved_charged'],
      told: ['contradicted'],
      dueInMs: null,
    });
    expect(decide({ ...said, tries: 9 }, called('inquire', UNCLEAR)).told).toEqual([]);
  });
});

describe('a provider that is away while it is asked about what has ended', () => {
  test.each(['declined', 'reversed', 'resolved_charged', 'resolved_not_charged'] as const)(
    'is asked on about what stands as %s, and then has its say',
    (state) => {
      const operation = state === 'resolved_not_charged' ? 'void' : 'inquire';
      const ended = attemptIn(state, { dueAt: NOW });
      for (const result of [UNSENT, UNCLEAR, ERROR, BUSY, { kind: 'throttled', retryAfterMs: 1 } as const]) {
        const attempts = new Attempts([ended]);
        for (let asked = 0; asked < 100; asked++)
          decideAttempt(
            attempts,
            { subject: PAYMENT, uuid: ended.uuid, report: called(operation, result) },
            contextOf(),
          );
        const [left] = attempts.of(PAYMENT);
        expect([left?.state, (left?.dueAt ?? 0) - NOW]).toEqual([state, 15_000]);
        expect(decide(left ?? ended, called(operation, PENDING)).dueInMs).toBe(15_000);
      }
    },
  );

  test('is given up when nobody is configured who could answer, or who could void', () => {
    const ofNobody = attemptIn('resolved_charged', { provider: 'none', dueAt: NOW, tries: 9 });
    expect(decide(ofNobody, called('inquire', UNSENT)).dueInMs).toBeNull();
    const unvoidable = attemptIn('resolved_not_charged', { dueAt: NOW, tries: 9 });
    expect(decide(unvoidable, called('void', UNCLEAR), contextOf({ canVoid: false })).dueInMs).toBeNull();
  });
});

test('a new round that would begin after the deadline does not', () => {
  const late = attemptIn('sending', { others: [], tries: 3, deadlineAt: NOW + 250 });
  expect(decide(late, called('charge', UNSENT)).told).toEqual(['closed', 'exhausted']);
});

describe('D5: after the deadline', () => {
  test.each(['pending', 'unknown', 'voiding'] as const)(
    '%s is told once as unresolved, and asked on',
    (state) => {
      const operation = state === 'voiding' ? 'void' : 'inquire';
      const late = attemptIn(state, { deadlineAt: NOW, toldUnknown: true });
      const first = decide(late, called(operation, UNCLEAR));
      expect(first).toMatchObject({ states: [state], told: ['unresolved'] });
      expect(decide({ ...late, toldUnresolved: true }, called(operation, UNCLEAR))).toMatchObject({
        told: [],
        dueInMs: 1000,
      });
    },
  );

  test('what is due is due by the deadline', () => {
    const near = attemptIn('unknown', { deadlineAt: NOW + 10, toldUnknown: true });
    expect(decide(near, called('inquire', UNCLEAR)).dueInMs).toBe(10);
  });
});

describe('a refund', () => {
  const refund = (state: AttemptState, more: Partial<Attempt> = {}): Attempt =>
    attemptIn(state, {
      kind: 'refund',
      purpose: 'refund',
      others: [],
      chargeUuid: attemptUuid(PAYMENT, 'charge', 1),
      ...more,
    });
  const DONE: Statement = { kind: 'refunded', reference: 're_1' };
  const FAILED: Statement = { kind: 'failed', code: 'closed', detail: '' };

  test.each<[string, Attempt, Report, readonly string[], readonly string[]]>([
    ['is done', refund('sending'), called('refund', DONE), ['refunded'], ['refunded']],
    [
      'of what was unexpected',
      refund('sending', { purpose: 'unexpected' }),
      called('refund', DONE),
      ['refunded'],
      ['unexpected_charge_refunded'],
    ],
    ['is pending', refund('sending'), called('refund', PENDING), ['pending'], []],
    ['is done by callback', refund('pending'), calledBack(DONE), ['refunded'], ['refunded']],
    ['fails', refund('pending'), calledBack(FAILED), ['refused'], ['refund_refused']],
    [
      'of a compensation fails, and is tried anew',
      refund('pending', { purpose: 'compensation' }),
      calledBack(FAILED),
      ['refused', 'sending'],
      [],
    ],
    [
      'of the unexpected fails, and is tried anew',
      refund('pending', { purpose: 'unexpected' }),
      calledBack(FAILED),
      ['refused', 'sending'],
      [],
    ],
    ['is refused', refund('sending'), called('refund', REJECTED), ['refused'], ['refund_refused']],
    [
      'is refused, perhaps taken before',
      refund('sending', { exposed: true }),
      called('refund', REJECTED),
      ['pending'],
      [],
    ],
    [
      'never arrived',
      refund('pending', { exposed: true }),
      called('inquire_refund', NOT_FOUND),
      ['sending'],
      [],
    ],
    [
      'is refused, an earlier call having been lost with its process',
      refund('sending', { calls: 2 }),
      called('refund', REJECTED, 2),
      ['pending'],
      [],
    ],
    [
      'is refused, having waited for its turn until it was claimed again',
      refund('sending', { calls: 2 }),
      called('refund', REJECTED, 2, 1),
      ['refused'],
      ['refund_refused'],
    ],
    [
      'is refused, the earlier call having been heard of',
      refund('sending', { calls: 2, heard: 1 }),
      called('refund', REJECTED, 2),
      ['refused'],
      ['refund_refused'],
    ],
    ['has no answer', refund('sending'), called('refund', UNCLEAR), ['sending'], []],
    ['could not be sent', refund('sending'), called('refund', UNSENT), ['sending'], []],
    ['is done again', refund('refunded'), calledBack(DONE), ['refunded'], []],
    ['fails after it was done', refund('refunded'), calledBack(FAILED), ['refunded'], ['contradicted']],
    ['is done after it was refused', refund('refused'), calledBack(DONE), ['refused'], ['contradicted']],
    ['is done after a person said so', refund('resolved'), calledBack(DONE), ['resolved'], ['contradicted']],
    [
      'is late',
      refund('sending', { deadlineAt: NOW }),
      called('refund', UNCLEAR),
      ['sending'],
      ['refund_unresolved'],
    ],
    [
      'is late, told already',
      refund('sending', { deadlineAt: NOW, toldUnresolved: true }),
      called('refund', UNCLEAR),
      ['sending'],
      [],
    ],
  ])('%s', (...[, given, report, states, told]) => {
    expect(decide(given, report)).toMatchObject({ states, told });
  });

  test('whose provider is out of the file says so when it is late', () => {
    const attempts = new Attempts([refund('sending', { provider: 'gone', deadlineAt: NOW })]);
    const [about] = attempts.of(PAYMENT);
    const report = called('refund', NOT_CALLED);
    decideAttempt(attempts, { subject: PAYMENT, uuid: about?.uuid ?? '', report }, contextOf());
    const detail =
      'gone is not in the providers file any more, and cannot be asked whether it gave the money back.';
    expect(attempts.changes().drafts).toMatchObject([
      { type: 'provider.refund_unresolved', data: { detail } },
    ]);
  });

  test('of a compensation is given up after five', () => {
    const all = [5, 1, 2, 3, 4].map((number) =>
      refund(number === 5 ? 'pending' : 'refused', { purpose: 'compensation', number }),
    );
    expect(decide(all, calledBack(FAILED)).told).toEqual(['refund_refused']);
  });
});

describe('what a person says', () => {
  const said = (
    outcome: ChargeResolved['outcome'],
    regarding: ChargeResolved['regarding'],
  ): LogEvent<ChargeResolved> => ({
    topic: 'authorization',
    partition: 0,
    position: 7,
    occurredAt: NOW,
    type: 'payment.charge_resolved',
    version: 1,
    subject: PAYMENT,
    tenant: 'acme',
    key: 'wallet',
    data: {
      wallet_id: 'w',
      service_id: 's',
      amount: 100,
      currency: 'USD',
      method: 'gateway',
      outcome,
      reason: 'seen',
      actor: 'key_1',
      regarding,
    },
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  });
  const compensation = (state: AttemptState) => attemptIn(state, { kind: 'refund', purpose: 'compensation' });

  test.each<
    [
      string,
      readonly Attempt[],
      ChargeResolved['outcome'],
      ChargeResolved['regarding'],
      string,
      readonly string[],
    ]
  >([
    ['of what is unknown', [attemptIn('unknown')], 'charged', 'charge', 'charged', ['resolved_charged']],
    [
      'of what is unknown',
      [attemptIn('unknown')],
      'not_charged',
      'charge',
      'not_charged',
      ['resolved_not_charged'],
    ],
    [
      'of what is approved meanwhile',
      [attemptIn('approved')],
      'not_charged',
      'charge',
      'charged',
      ['approved'],
    ],
    ['of what is approved meanwhile', [attemptIn('approved')], 'charged', 'charge', 'charged', ['approved']],
    [
      'of a completed payment',
      [attemptIn('approved')],
      'not_charged',
      'completion',
      'not_charged',
      ['reversed'],
    ],
    ['of what was denied before', [attemptIn('reversed')], 'charged', 'charge', 'charged', ['approved']],
    [
      'of what was denied before',
      [attemptIn('resolved_not_charged')],
      'charged',
      'charge',
      'charged',
      ['resolved_charged'],
    ],
    ['of nothing that is left', [attemptIn('closed')], 'charged', 'charge', 'charged', ['closed']],
    [
      'of a refund that is parked',
      [attemptIn('approved'), compensation('refused')],
      'not_charged',
      'charge',
      'not_charged',
      ['reversed', 'refused'],
    ],
    [
      'of a refund that is open',
      [attemptIn('approved'), compensation('pending')],
      'not_charged',
      'charge',
      'not_charged',
      ['reversed', 'resolved'],
    ],
    [
      'of a refund that is open',
      [attemptIn('approved'), compensation('pending')],
      'charged',
      'charge',
      'charged',
      ['approved', 'resolved'],
    ],
    [
      'of a refund that is done meanwhile',
      [attemptIn('approved'), compensation('refunded')],
      'charged',
      'charge',
      'not_charged',
      ['reversed', 'refunded'],
    ],
  ])('%s', (...[, given, outcome, regarding, truth, states]) => {
    const attempts = new Attempts(given);
    resolve(attempts, said(outcome, regarding), { ...contextOf(), isAnswered: false });
    const { drafts } = attempts.changes();
    expect(drafts.map(({ type, data }) => [type, data['outcome']])).toEqual([['provider.resolved', truth]]);
    expect(attempts.of(PAYMENT).map(({ state }) => state)).toEqual(states);
  });

  test('U3: delivered again changes nothing', () => {
    const attempts = new Attempts([attemptIn('resolved_charged')]);
    resolve(attempts, said('not_charged', 'charge'), { ...contextOf(), isAnswered: true });
    expect(attempts.changes()).toEqual({ begun: [], changed: [], moved: [], drafts: [], followers: [] });
  });
});
