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

export interface Purchase {
  readonly merchant: string;
  readonly mcc: string;
  readonly amountMinor: bigint;
}

/** One balance pays the whole amount; it is never split. */
export function chooseBalance(
  { merchant, mcc, amountMinor }: Purchase,
  rules: MerchantRules,
  availableMinor: (category: Category) => bigint,
): Choice {
  const meant = categoryMeant(rules.find(normalizeMerchant(merchant)), categoryOfMcc(mcc));
  if (availableMinor(meant.category) >= amountMinor) return { ...meant, canPay: true };
  if (meant.category !== FALLBACK && availableMinor(FALLBACK) >= amountMinor)
    return { category: FALLBACK, decidedBy: 'fallback', canPay: true };
  return { ...meant, canPay: false };
}

function categoryMeant(
  byName: Category | undefined,
  byCode: Category | undefined,
): { category: Category; decidedBy: DecidedBy } {
  if (byName !== undefined) return { category: byName, decidedBy: 'merchant_rule' };
  if (byCode !== undefined) return { category: byCode, decidedBy: 'mcc' };
  return { category: FALLBACK, decidedBy: 'fallback' };
}
