import { describe, expect, test } from 'vitest';
import { CATEGORIES, type Category } from './card.ts';
import { chooseBalance } from './choose-balance.ts';
import { MerchantRules, NO_RULES } from './merchant-rules.ts';

const MERCHANT = 'UBER EATS                   SAO PAULO BR';
const AMOUNT = 100n;

const MCCS = [
  ['5411', 'FOOD'],
  ['5412', 'FOOD'],
  ['5811', 'MEAL'],
  ['5812', 'MEAL'],
  ['5999', undefined],
  ['0000', undefined],
] as const;
const RULES = [undefined, ...CATEGORIES] as const;
/** What may be spent of each balance: one short, the amount exactly, one more. */
const FUNDS = [99n, 100n, 101n];

const COMBINATIONS = RULES.flatMap((rule) =>
  MCCS.flatMap(([mcc, byCode]) =>
    FUNDS.flatMap((FOOD) =>
      FUNDS.flatMap((MEAL) => FUNDS.map((CASH) => ({ rule, mcc, byCode, funds: { FOOD, MEAL, CASH } }))),
    ),
  ),
);

/** The requirement, said in another way than the program says it. */
function expected(
  rule: Category | undefined,
  byCode: Category | undefined,
  funds: Readonly<Record<Category, bigint>>,
): readonly [category: Category, decidedBy: string, canPay: boolean] {
  const meant = rule ?? byCode ?? 'CASH';
  const by = rule === undefined ? (byCode === undefined ? 'fallback' : 'mcc') : 'merchant_rule';
  if (funds[meant] >= AMOUNT) return [meant, by, true];
  return funds.CASH >= AMOUNT ? ['CASH', 'fallback', true] : [meant, by, false];
}

describe('K2, K3, K4: which balance pays', () => {
  test(`every combination of rule, category code and balances, all ${COMBINATIONS.length}`, () => {
    expect(COMBINATIONS).toHaveLength(4 * 6 * 27);
    for (const { rule, mcc, byCode, funds } of COMBINATIONS) {
      const rules =
        rule === undefined
          ? NO_RULES
          : new MerchantRules(1, [{ pattern: 'UBER EATS', match: 'prefix', category: rule }]);
      const choice = chooseBalance(
        { merchant: MERCHANT, mcc, amountMinor: AMOUNT },
        rules,
        (of) => funds[of],
      );
      const [category, decidedBy, canPay] = expected(rule, byCode, funds);
      expect({ rule, mcc, funds, ...choice }).toEqual({ rule, mcc, funds, category, decidedBy, canPay });
    }
  });

  test('K2: one balance pays the whole amount, also where all three together could', () => {
    const choice = chooseBalance(
      { merchant: MERCHANT, mcc: '5811', amountMinor: AMOUNT },
      NO_RULES,
      () => 99n,
    );
    expect(choice).toEqual({ category: 'MEAL', decidedBy: 'mcc', canPay: false });
  });
});
