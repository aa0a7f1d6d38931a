import { expect, test } from 'vitest';
import { idOf, uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { CardEvent } from './card-events.ts';
import { judgeCardTransaction, judgeTopUp } from './judge-card-transaction.ts';

const UUID = '01938c5e-0000-7000-8000-000000000001';
const SUBJECT: string = idOf('ctx', UUID);
const TOP_UP = idOf('ctu', UUID);
const REVERSAL = idOf('crv', '01938c5e-0000-7000-8000-000000000002');

function event(type: string, data: JsonObject): CardEvent {
  return { type, tenant: 'acme', subject: idOf('ctx', UUID), occurredAt: 0, data };
}

function entry(
  purpose: string,
  moved: Readonly<Record<string, number>>,
  { id = idOf('jen', UUID), cause = SUBJECT, currency = 'BRL' } = {},
): JsonObject {
  const postings = Object.entries(moved).map(([accountId, amountMinor]) => ({
    account_id: accountId,
    direction: amountMinor < 0 ? 'debit' : 'credit',
    amount: Math.abs(amountMinor),
    currency,
    sequence: 1,
    posted_after: 0,
    posted_at: '2026-11-20T10:00:00.000Z',
  }));
  return { entry_id: id, cause, purpose, postings };
}

const ASKED = { account: '1', category: 'MEAL', currency: 'BRL', amount: 100 };

function spent(amount: number): JsonObject {
  return entry('card', { '1:MEAL': -amount, 'card-settlement-BRL': amount });
}

const THREE = { '1:MEAL': -100, 'card-settlement-BRL': 60, '1:FOOD': 40 };

const APPROVED = event('card.approved', { ...ASKED, entry: spent(100) });
const HELD = event('card.approved', ASKED);
const RELEASED = released({});

function released(other: JsonObject): CardEvent {
  return event('card.released', { account_id: '1:MEAL', amount: 100, because: 'reversed', ...other });
}

function captured(amount: number, held = 100): CardEvent {
  return event('card.captured', { held, entry: spent(amount) });
}

function reversed(amount: number, reversalId: string = REVERSAL): CardEvent {
  const id = idOf('jen', uuidOf(REVERSAL));
  const back = entry('card_reversal', { 'card-settlement-BRL': -amount, '1:MEAL': amount }, { id });
  return event('card.reversed', { reversal_id: reversalId, amount, because: 'requested', entry: back });
}

const DECLINED = event('card.declined', { ...ASKED, code: '51' });

test.each([
  ['spent', [APPROVED]],
  ['spent and given back in parts, to the last cent', [APPROVED, reversed(99), reversed(1)]],
  ['set aside', [HELD]],
  ['set aside, captured and given back', [HELD, captured(100), reversed(100)]],
  ['captured in part', [HELD, captured(99)]],
  ['released', [HELD, RELEASED]],
  ['declined', [DECLINED]],
])('U14: nothing is wrong with what was %s', (_title, events) => {
  expect(judgeCardTransaction(UUID, events).faults).toEqual([]);
});

test.each([
  [
    'more posted than approved',
    [event('card.approved', { ...ASKED, entry: spent(101) })],
    'mismatched_entry',
  ],
  ['less posted than approved', [event('card.approved', { ...ASKED, entry: spent(99) })], 'mismatched_entry'],
  [
    'a third posting',
    [event('card.approved', { ...ASKED, entry: entry('card', THREE) })],
    'mismatched_entry',
  ],
  ['an entry that cannot be read', [event('card.approved', { ...ASKED, entry: {} })], 'mismatched_entry'],
  ['a decline with an entry', [event('card.declined', { ...ASKED, entry: spent(100) })], 'mismatched_entry'],
  ['a cent too much given back', [APPROVED, reversed(99), reversed(2)], 'over_reversed'],
  ['a cent more given back than captured', [HELD, captured(99), reversed(100)], 'over_reversed'],
  ['a cent too much captured', [HELD, captured(101)], 'over_captured'],
  [
    'a capture whose entry cannot be read',
    [HELD, event('card.captured', { held: 100, entry: {} })],
    'mismatched_entry',
  ],
  ['a capture of another hold', [HELD, captured(100, 99)], 'mismatched_hold'],
  ['a release of another amount', [HELD, released({ amount: 99 })], 'mismatched_hold'],
  ['a release of another balance', [HELD, released({ account_id: '1:FOOD' })], 'mismatched_hold'],
  ['the entry of another reversal', [APPROVED, reversed(1, idOf('crv', UUID))], 'mismatched_entry'],
  ['a reversal without an id', [APPROVED, reversed(1, 'none')], 'mismatched_entry'],
  ['an approval of nobody’s', [event('card.approved', { currency: 'BRL', amount: 100 })], 'mismatched_entry'],
  ['captured twice', [HELD, captured(50), captured(50)], 'step_out_of_order'],
  ['spent at once and captured', [APPROVED, captured(100)], 'step_out_of_order'],
  ['given back while set aside', [HELD, reversed(100)], 'step_out_of_order'],
  ['captured after its release', [HELD, RELEASED, captured(100)], 'step_out_of_order'],
  ['given back after a decline', [DECLINED, reversed(100)], 'step_out_of_order'],
  ['given back without a decision', [reversed(100)], 'step_out_of_order'],
  ['approved twice', [APPROVED, APPROVED], 'second_decision'],
  ['approved after a decline', [DECLINED, APPROVED], 'second_decision'],
])('U14: %s is found', (_title, events, kind) => {
  const { faults } = judgeCardTransaction(UUID, events);
  expect(faults).toMatchObject([{ kind, at: events.length - 1 }]);
});

function toppedUp(moved: Readonly<Record<string, number>>, currency = 'BRL', id: string = TOP_UP): CardEvent {
  const made = entry('top_up', moved, { cause: TOP_UP, currency });
  return event('card.topped_up', { account: '1', top_up_id: id, entry: made });
}

const ADDED = { 'card-funding-BRL': -30, '1:FOOD': 10, '1:CASH': 20 };

test('U14: a top-up adds to balances of its card what it takes from the funding account of its currency', () => {
  expect(judgeTopUp(TOP_UP, [toppedUp(ADDED)])).toEqual([]);
});

test.each([
  [
    'of the balance of another card',
    [toppedUp({ 'card-funding-BRL': -10, '2:FOOD': 10 })],
    'mismatched_entry',
  ],
  ['from another account', [toppedUp({ 'bank-brl': -10, '1:FOOD': 10 })], 'mismatched_entry'],
  ['from the account of another currency', [toppedUp(ADDED, 'USD')], 'mismatched_entry'],
  ['without an entry', [event('card.topped_up', { account: '1', top_up_id: TOP_UP })], 'mismatched_entry'],
  ['that calls itself another', [toppedUp(ADDED, 'BRL', idOf('ctu', uuidOf(REVERSAL)))], 'mismatched_entry'],
  ['that is told twice', [toppedUp(ADDED), toppedUp(ADDED)], 'second_top_up'],
])('U14: a top-up %s is found', (_title, events, kind) => {
  expect(judgeTopUp(TOP_UP, events).map((fault) => fault.kind)).toEqual([kind]);
});
