import { toRfc3339 } from '#kernel/clock.ts';
import { renderAmount } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { CATEGORIES, type Card, type Category } from './card.ts';

/** What of one balance may be spent, and what is set aside. */
export interface CardBalance {
  readonly availableMinor: bigint;
  readonly heldMinor: bigint;
}

export function renderCard(card: Card, balanceOf: (category: Category) => CardBalance): JsonObject {
  const { account, currency, status, callbackUrl, createdAt } = card;
  const each = (amount: (balance: CardBalance) => bigint): JsonObject =>
    Object.fromEntries(CATEGORIES.map((category) => [category, renderAmount(amount(balanceOf(category)))]));
  return {
    account,
    currency,
    status,
    callback_url: callbackUrl,
    balances: each(({ availableMinor }) => availableMinor),
    held: each(({ heldMinor }) => heldMinor),
    created_at: toRfc3339(createdAt),
  };
}
