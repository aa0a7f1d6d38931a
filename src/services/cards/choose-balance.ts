/** Which balance pays: the one decision of the authorizer (K2, K3, K4). */
import { type Category, FALLBACK } from './card.ts';
import { categoryOfMcc } from './categories.ts';
import { normalizeMerchant } from './merchant-name.ts';
import type { MerchantRules } from './merchant-rules.ts';

/** What decided the category: a merchant's rule, the category code, or that nothing else could pay. */
export type DecidedBy = 'merchant_rule' | 'mcc' | 'fallback';

export interface Choice {
  readonly category: Category;
  readonly decidedBy: DecidedBy;
  /** If not, `category` is the balance that was meant to. */
  readonly canPay: boolean;
}

export interface Merchant {
  readonly merchant: string;
  readonly mcc: string;
}

export interface Purchase extends Merchant {
  readonly amountMinor: bigint;
}

/** One balance pays the whole amount; it is never split. */
export function chooseBalance(
  { amountMinor, ...merchant }: Purchase,
  rules: MerchantRules,
  availableMinor: (category: Category) => bigint,
): Choice {
  const meant = categoryMeant(merchant, rules);
  if (availableMinor(meant.category) >= amountMinor) return { ...meant, canPay: true };
  if (meant.category !== FALLBACK && availableMinor(FALLBACK) >= amountMinor)
    return { category: FALLBACK, decidedBy: 'fallback', canPay: true };
  return { ...meant, canPay: false };
}

/** Which balances the choice is between. */
export function balancesThatMayPay(merchant: Merchant, rules: MerchantRules): readonly Category[] {
  const { category } = categoryMeant(merchant, rules);
  return category === FALLBACK ? [FALLBACK] : [category, FALLBACK];
}

function categoryMeant(
  { merchant, mcc }: Merchant,
  rules: MerchantRules,
): { category: Category; decidedBy: DecidedBy } {
  const byName = rules.find(normalizeMerchant(merchant));
  const byCode = categoryOfMcc(mcc);
  if (byName !== undefined) return { category: byName, decidedBy: 'merchant_rule' };
  if (byCode !== undefined) return { category: byCode, decidedBy: 'mcc' };
  return { category: FALLBACK, decidedBy: 'fallback' };
}
