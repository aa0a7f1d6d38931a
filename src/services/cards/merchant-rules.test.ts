import { describe, expect, test } from 'vitest';
import { isMerchant, normalizeMerchant } from './merchant-name.ts';
import { findRepeatedRule, MerchantRules } from './merchant-rules.ts';

/** The source's own examples. */
const RULES = new MerchantRules(1, [
  { pattern: 'UBER EATS', match: 'prefix', category: 'MEAL' },
  { pattern: 'UBER TRIP', match: 'prefix', category: 'CASH' },
  { pattern: 'PAG*JoseDaSilva', match: 'prefix', category: 'CASH' },
  { pattern: 'PICPAY*BILHETEUNICO', match: 'prefix', category: 'CASH' },
]);

describe('K4: a merchant’s name is compared normalised', () => {
  test.each([
    ['UBER EATS                   SAO PAULO BR', 'MEAL'],
    ['UBER TRIP                   SAO PAULO BR', 'CASH'],
    ['PAG*JoseDaSilva          RIO DE JANEI BR', 'CASH'],
    ['PICPAY*BILHETEUNICO           GOIANIA BR', 'CASH'],
    ['  uber   eats', 'MEAL'],
    ['UBER EATS', 'MEAL'],
    ['UBER', undefined],
    ['SUPER UBER EATS', undefined],
    ['PADARIA DO ZE               SAO PAULO BR', undefined],
  ])('%j → %s', (merchant, category) => {
    expect(RULES.find(normalizeMerchant(merchant))).toBe(category);
  });

  test('K4: an exact rule comes before a prefix, a longer prefix before a shorter one, in any order', () => {
    const rules = [
      { pattern: 'UBER', match: 'prefix', category: 'CASH' },
      { pattern: 'UBER EATS', match: 'prefix', category: 'MEAL' },
      { pattern: 'UBER EATS SAO PAULO BR', match: 'exact', category: 'FOOD' },
    ] as const;
    for (const order of [rules, rules.toReversed()]) {
      const found = new MerchantRules(1, order);
      expect(found.find('UBER EATS SAO PAULO BR')).toBe('FOOD');
      expect(found.find('UBER EATS RIO BR')).toBe('MEAL');
      expect(found.find('UBERABA BR')).toBe('CASH');
    }
  });

  test('a space at the end of a prefix is the end of a word', () => {
    const found = new MerchantRules(1, [{ pattern: 'Uber  ', match: 'prefix', category: 'MEAL' }]);
    expect(found.find('UBER TRIP')).toBe('MEAL');
    expect(found.find('UBER')).toBe('MEAL');
    expect(found.find('UBERABA BR')).toBeUndefined();
  });

  test('two rules about one name are found, whatever their case and spaces', () => {
    expect(
      findRepeatedRule([
        { pattern: 'UBER EATS', match: 'prefix', category: 'MEAL' },
        { pattern: 'UBER EATS', match: 'exact', category: 'CASH' },
        { pattern: ' uber  eats', match: 'prefix', category: 'CASH' },
      ]),
    ).toBe(2);
    expect(
      findRepeatedRule([
        { pattern: 'UBER', match: 'exact', category: 'MEAL' },
        { pattern: 'uber ', match: 'exact', category: 'CASH' },
      ]),
    ).toBe(1);
    expect(findRepeatedRule([...RULES.rules])).toBeUndefined();
  });

  test('K4: 1 to 100 characters are accepted, blanks alone are not', () => {
    expect(['A', 'x'.repeat(40), 'x'.repeat(100)].map(isMerchant)).toEqual([true, true, true]);
    expect(['', ' '.repeat(40), 'x'.repeat(101)].map(isMerchant)).toEqual([false, false, false]);
    expect(['🍕'.repeat(100), '🍕'.repeat(101)].map(isMerchant)).toEqual([true, false]);
  });
});
