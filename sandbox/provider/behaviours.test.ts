import { describe, expect, test } from 'vitest';
import {
  type BehaviourRule,
  isOutage,
  matches,
  parseBehaviour,
  type RequestFacts,
} from './behaviour-rule.ts';
import { BEHAVIOUR_NAMES, REFUSE_CONNECTIONS } from './behaviour-table.ts';
import { Behaviours } from './behaviours.ts';
import { NOW } from './given.ts';

function ruleOf(body: Readonly<Record<string, unknown>>): BehaviourRule {
  const order = parseBehaviour(body, NOW);
  if (order.kind !== 'rule') throw new Error('not a rule');
  return order.rule;
}

const TERMS = { reference: 'ref-1', amount: 1000, currency: 'USD' };
const CHARGE: RequestFacts = { operation: 'charge', terms: TERMS, isNew: true };
const MOMENT = { now: NOW, draw: 0.5 };

describe('a behaviour is for', () => {
  test.each<[string, Readonly<Record<string, unknown>>, RequestFacts, boolean]>([
    ['every charge, if nothing else is said', {}, CHARGE, true],
    ['charges alone, if nothing else is said', {}, { ...CHARGE, operation: 'void' }, false],
    ['the amount', { amount: 1000 }, CHARGE, true],
    ['no amount below', { amount: 999 }, CHARGE, false],
    ['no amount above', { amount: 1001 }, CHARGE, false],
    ['the reference', { reference: 'ref-1' }, CHARGE, true],
    ['no other reference', { reference: 'ref-2' }, CHARGE, false],
    ['the currency', { currency: 'USD' }, CHARGE, true],
    ['no other currency', { currency: 'EUR' }, CHARGE, false],
    ['all conditions at once', { amount: 1000, currency: 'EUR' }, CHARGE, false],
    ['any operation', { operation: 'any' }, { ...CHARGE, operation: 'refund' }, true],
    [
      'an inquiry about what is known',
      { operation: 'inquiry', amount: 1000 },
      { ...CHARGE, operation: 'inquiry' },
      true,
    ],
    [
      'no inquiry about what is not, if it names an amount',
      { operation: 'inquiry', amount: 1000 },
      { operation: 'inquiry', terms: undefined, isNew: false },
      false,
    ],
    [
      'an inquiry about what is not, if it names none',
      { operation: 'inquiry' },
      { operation: 'inquiry', terms: undefined, isNew: false },
      true,
    ],
  ])('%s', (_case, match, request, expected) => {
    expect(matches(ruleOf({ behaviour: 'hang', match }), request, MOMENT)).toBe(expected);
  });

  test('repeated requests too, but not if it decides what becomes of a new one', () => {
    const repeated = { ...CHARGE, isNew: false };
    expect(matches(ruleOf({ behaviour: 'error_after' }), repeated, MOMENT)).toBe(true);
    expect(matches(ruleOf({ behaviour: 'decline' }), repeated, MOMENT)).toBe(false);
  });

  test('so much time, and so often', () => {
    const rule = ruleOf({ behaviour: 'hang', for_ms: 1000 });
    expect([999, 1000].map((ms) => matches(rule, CHARGE, { ...MOMENT, now: NOW + ms }))).toEqual([
      true,
      false,
    ]);
    const behaviours = new Behaviours(() => 0);
    behaviours.add({ id: 'bhv_1', rule: ruleOf({ behaviour: 'hang', times: 2 }) });
    expect([1, 2, 3].map(() => behaviours.match(CHARGE, NOW)?.behaviour)).toEqual([
      'hang',
      'hang',
      undefined,
    ]);
    expect(behaviours.list(NOW)).toEqual([]);
  });

  test('those that chance chooses', () => {
    const rule = ruleOf({ behaviour: 'hang', probability: 0.5 });
    expect([0.49, 0.5].map((draw) => matches(rule, CHARGE, { now: NOW, draw }))).toEqual([true, false]);
    expect(matches(ruleOf({ behaviour: 'hang', probability: 0 }), CHARGE, { now: NOW, draw: 0 })).toBe(false);
  });
});

describe('of several', () => {
  test('the newest that matches applies, and the others keep their times', () => {
    const behaviours = new Behaviours(() => 0);
    behaviours.add({ id: 'bhv_1', rule: ruleOf({ behaviour: 'decline', times: 1 }) });
    behaviours.add({ id: 'bhv_2', rule: ruleOf({ behaviour: 'throttle', match: { amount: 7 } }) });
    behaviours.add({ id: 'bhv_3', rule: ruleOf({ behaviour: 'slow', times: 1 }) });
    expect(behaviours.list(NOW).map(({ id }) => id)).toEqual(['bhv_3', 'bhv_2', 'bhv_1']);
    expect([1, 2, 3].map(() => behaviours.match(CHARGE, NOW)?.behaviour)).toEqual([
      'slow',
      'decline',
      undefined,
    ]);
  });

  test('one is taken back by its id, or all at once', () => {
    const behaviours = new Behaviours(() => 0);
    behaviours.add({ id: 'bhv_1', rule: ruleOf({ behaviour: 'decline' }) });
    behaviours.add({ id: 'bhv_2', rule: ruleOf({ behaviour: 'slow' }) });
    expect([behaviours.remove('bhv_2'), behaviours.remove('bhv_2')]).toEqual([true, false]);
    expect(behaviours.match(CHARGE, NOW)?.behaviour).toBe('decline');
    behaviours.clear();
    expect(behaviours.match(CHARGE, NOW)).toBeUndefined();
  });
});

describe('an order', () => {
  test.each([
    [{}, 'behaviour is missing'],
    [{ behaviour: 'declin' }, 'behaviour declin is not known; the behaviours are decline,'],
    [{ behaviour: 'decline', amount: 1 }, 'amount is not known here'],
    [{ behaviour: 'decline', match: { amout: 1 } }, 'match.amout is not known here'],
    [{ behaviour: 'decline', match: 1 }, 'match has to be a JSON object'],
    [{ behaviour: 'decline', match: { amount: 1.5 } }, 'match.amount has to be a whole number'],
    [{ behaviour: 'decline', match: { operation: 'refund' } }, 'decline is not for refund; it is for charge'],
    [{ behaviour: 'decline', match: { operation: 'pay' } }, 'match.operation has to be one of charge,'],
    [{ behaviour: 'slow', delay_ms: -1 }, 'delay_ms has to be a number from 0'],
    [{ behaviour: 'slow', probability: 2 }, 'probability has to be a number from 0 to 1'],
    [{ behaviour: 'slow', times: 0 }, 'times has to be a number from 1'],
    [{ behaviour: REFUSE_CONNECTIONS, match: {} }, 'leave match out'],
    [[], 'the body has to be a JSON object'],
  ])('%j says what is wrong with it', (body, message) => {
    expect(() => parseBehaviour(body, NOW)).toThrow(message);
  });

  test.each(BEHAVIOUR_NAMES)('%s is taken without anything beside it', (behaviour) => {
    expect(() => parseBehaviour({ behaviour }, NOW)).not.toThrow();
  });

  test('to hang is an outage only if it stops every charge', () => {
    const outages = [
      {},
      { match: { operation: 'any' } },
      { match: { amount: 1 } },
      { match: { operation: 'void' } },
    ];
    expect(outages.map((more) => isOutage(ruleOf({ behaviour: 'hang', ...more })))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(isOutage(ruleOf({ behaviour: 'slow' }))).toBe(false);
  });
});
