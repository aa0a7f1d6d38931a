/** The coordinator, event by event: what it says, where the saga stands then, and whose money it is (P4, U3, U5, D4). */
import { describe, expect, test } from 'vitest';
import { AMOUNT, FUNDED, SagaScenario, type ScenarioOptions, TENANT } from '../../../tests/saga-scenario.ts';
import { BALANCE, EVENTS, type EventName, GATEWAY, given, make } from '../../../tests/told-events.ts';

type Cell = `${string} → ${string}`;
type Row = Partial<Record<EventName, Cell>>;

/** While the outcome of the charge is open. */
const UNDECIDED: Row = {
  approved: 'payment.charged → charged',
  declined: 'payment.declined → declined',
  exhausted: 'payment.failed → failed',
  'called off': 'payment.cancelled → cancelled',
};
const IN_DOUBT: Row = {
  ...UNDECIDED,
  'say charged': 'payment.charge_resolved → resolving',
  'say not charged': 'payment.charge_resolved → resolving',
};
const RESOLVING: Row = {
  ...UNDECIDED,
  'resolved charged': 'payment.charged → charged',
  'resolved not charged': 'payment.failed → failed',
};
const PARKED: Row = {
  refunded: 'payment.compensated → compensated',
  'say not charged': 'payment.charge_resolved → revoking',
};
const COMPLETED: Row = { revoke: 'payment.charge_resolved → revoking' };

const GATEWAY_TABLE: Readonly<Record<keyof typeof GATEWAY, Row>> = {
  unknown: { validated: 'payment.authorized → authorized' },
  authorized: {
    ...UNDECIDED,
    unresolved: 'payment.reconciliation_required → reconciling',
    cancel: 'payment.cancelling → cancelling',
  },
  charged: {
    posted: 'payment.completed → completed',
    refused: 'payment.compensating → compensating',
  },
  cancelling: { ...UNDECIDED, unresolved: 'payment.reconciliation_required → reconciling' },
  reconciling: IN_DOUBT,
  'cancelling and reconciling': IN_DOUBT,
  'resolving as charged': RESOLVING,
  'resolving as not charged': RESOLVING,
  completed: COMPLETED,
  'completed by a person': COMPLETED,
  'revoking what was completed': {
    'resolved not charged': 'payment.compensating → compensating',
    'resolved charged': 'payment.resolution_refused → completed',
  },
  'reversing a posting': {
    reversed: 'payment.compensated → compensated',
    // An account is closed.
    'reversal refused': 'payment.reconciliation_required → parked',
  },
  'refunding a charge': {
    refunded: 'payment.compensated → compensated',
    'refund refused': 'payment.reconciliation_required → parked',
    'refund unresolved': 'payment.reconciliation_required → parked',
  },
  'parked after a refused refund': PARKED,
  'parked without an answer': PARKED,
  'revoking what was parked': {
    refunded: 'payment.compensated → compensated',
    'resolved not charged': 'payment.compensated → compensated',
    'resolved charged': 'payment.resolution_refused → parked',
  },
  'parked after a refused reversal': {
    reversed: 'payment.compensated → compensated',
    'say charged': 'payment.charge_resolved → revoking',
    'say not charged': 'payment.charge_resolved → revoking',
  },
  'revoking a reversal that was refused': {
    reversed: 'payment.compensated → compensated',
    'resolved charged': 'payment.upheld → completed',
    'resolved not charged': 'payment.compensating → compensating',
  },
  'completed as before': COMPLETED,
  declined: {},
  failed: {},
  cancelled: {},
  compensated: {},
  'compensated after it was completed': {},
};

const BALANCE_TABLE: Readonly<Record<keyof typeof BALANCE, Row>> = {
  unknown: { validated: 'payment.authorized → authorized' },
  authorized: {
    posted: 'payment.completed → completed',
    refused: 'payment.failed → failed',
    cancel: 'payment.cancelling → cancelling',
  },
  cancelling: { refused: 'payment.cancelled → cancelled' },
  completed: {},
  failed: {},
  cancelled: {},
};

/** Said to whoever asks, where nothing else is. */
const REFUSALS: Readonly<Partial<Record<EventName, string>>> = {
  cancel: 'payment.cancel_refused',
  'say charged': 'payment.resolution_refused',
  'say not charged': 'payment.resolution_refused',
  revoke: 'payment.resolution_refused',
  'resolved charged': 'payment.resolution_refused',
  'resolved not charged': 'payment.resolution_refused',
};

/** What is set aside, and what has gone over to the service, by where the saga stands. */
function expectMoney(s: SagaScenario): void {
  const { state, terms } = s.sagas.findPayment(s.uuid) ?? {};
  const isPosted = s.hasEntry('payment');
  const isReversed = s.hasEntry('reversal');
  const isOpen =
    s.hold !== undefined &&
    !isPosted &&
    !['declined', 'failed', 'cancelled', 'compensated'].includes(state ?? '') &&
    !(state === 'cancelling' && terms?.method === 'balance');
  const gone = isPosted && !isReversed ? BigInt(AMOUNT) : 0n;
  expect(s.balance('wallet')).toMatchObject({
    postedMinor: FUNDED - gone,
    heldMinor: isOpen ? BigInt(AMOUNT) : 0n,
  });
  expect(s.balance('service')).toMatchObject({ postedMinor: gone, heldMinor: 0n });
  if (s.hold !== undefined) expect(s.hold.state).toBe(isPosted ? 'captured' : isOpen ? 'open' : 'released');
}

/** Where something may be left to undo: anywhere else a row of it would have money moved back that stands. */
const IN_THE_MIDDLE: ReadonlySet<string> = new Set(['compensating', 'parked', 'revoking']);

interface Case {
  readonly method: ScenarioOptions['method'];
  readonly state: string;
  readonly events: readonly EventName[];
  readonly row: Row;
}

const CASES: readonly Case[] = [
  ...Object.entries(GATEWAY).map(([state, events]) => ({
    method: 'gateway' as const,
    state,
    events,
    row: GATEWAY_TABLE[state as keyof typeof GATEWAY],
  })),
  ...Object.entries(BALANCE).map(([state, events]) => ({
    method: 'balance' as const,
    state,
    events,
    row: BALANCE_TABLE[state as keyof typeof BALANCE],
  })),
];

describe.each(CASES)('$method payment, $state', ({ method, events, row }) => {
  test.each(EVENTS.map((name) => ({ name })))('$name', ({ name }) => {
    const s = given(method, events);
    const before = s.sagas.findPayment(s.uuid)?.state;
    const event = make(s, name);
    const answer = s.coordinate(event);
    const refusal = REFUSALS[name];
    expect(`${answer?.type ?? ''} → ${s.sagas.findPayment(s.uuid)?.state}`).toBe(
      row[name] ?? `${refusal ?? ''} → ${before}`,
    );
    if (answer !== undefined)
      expect(answer).toMatchObject({
        causation: `${event.topic}/0/${event.position}`,
        subject: s.payment,
        tenant: TENANT,
        key: 'wallet',
      });
    expectMoney(s);
    if (!IN_THE_MIDDLE.has(s.sagas.findPayment(s.uuid)?.state ?? 'unknown'))
      expect(s.sagas.findCompensation(s.uuid)).toBeUndefined();
  });

  test('U3: every event that brought it here changes nothing when it comes again, and none that may still come', () => {
    for (const name of EVENTS) {
      const s = given(method, events);
      s.coordinate(make(s, name));
      const told = s.log.filter(({ topic }) => topic !== 'authorization');
      const before = s.snapshot();
      for (let time = 0; time < 2; time++)
        for (const event of told)
          expect([name, event.type, s.coordinate(event)]).toEqual([name, event.type, undefined]);
      expect(s.snapshot()).toEqual(before);
    }
  });
});

test.each(['wallet', 'service'] as const)('a completed payment whose %s is closed is not undone', (party) => {
  const s = given('gateway', GATEWAY.completed);
  s.balance(party).status = 'closed';
  expect(s.coordinate(make(s, 'revoke'))).toMatchObject({
    type: 'payment.resolution_refused',
    data: { code: 'ledger.account_closed' },
  });
  expect(s.sagas.findPayment(s.uuid)?.state).toBe('completed');
  expectMoney(s);
});

test('nor is one undone by a word that it was charged, whatever that regards', () => {
  const s = given('gateway', GATEWAY.completed);
  const word = { reason: 'looked', actor: 'ana', regarding: 'completion', outcome: 'charged' };
  expect(s.coordinate(s.tell('validation', 'payment.resolution_admitted', word))).toMatchObject({
    type: 'payment.resolution_refused',
  });
  expect(s.sagas.findPayment(s.uuid)?.state).toBe('completed');
});

test.each([
  { over: -1n, type: 'payment.authorized', heldMinor: 99n },
  { over: 0n, type: 'payment.authorized', heldMinor: 100n },
  { over: 1n, type: 'payment.declined', heldMinor: 0n },
])('a payment of what is available $over: $type', ({ over, type, heldMinor }) => {
  const s = new SagaScenario({ method: 'gateway', amount: Number(100n + over), fundedMinor: 100n });
  const answer = s.coordinate(make(s, 'validated'));
  expect(answer).toMatchObject({ type, version: 2 });
  expect(s.balance('wallet').heldMinor).toBe(heldMinor);
  expect(s.coordinate(make(s, 'validated'))).toBeUndefined();
  if (type === 'payment.declined')
    for (const name of EVENTS) expect(REFUSALS[name]).toBe(s.coordinate(make(s, name))?.type);
});

describe('versions: events of gateway payments are of those that readers of balance payments pass over', () => {
  test.each([
    ['balance', ['validated', 'posted'], ['payment.authorized 1', 'payment.completed 1']],
    ['balance', ['validated', 'refused'], ['payment.authorized 1', 'payment.failed 1']],
    [
      'balance',
      ['validated', 'cancel', 'refused'],
      ['payment.authorized 1', 'payment.cancelling 1', 'payment.cancelled 1'],
    ],
    [
      'gateway',
      ['validated', 'approved', 'posted'],
      ['payment.authorized 2', 'payment.charged 1', 'payment.completed 2'],
    ],
    ['gateway', ['validated', 'declined'], ['payment.authorized 2', 'payment.declined 2']],
    ['gateway', ['validated', 'exhausted'], ['payment.authorized 2', 'payment.failed 2']],
  ] as const)('%s, %j', (method, events, expected) => {
    const s = given(method, events);
    const said = s.log.filter(({ topic }) => topic === 'authorization');
    expect(said.map(({ type, version }) => `${type} ${version}`)).toEqual(expected);
  });
});
