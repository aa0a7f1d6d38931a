/**
 * What callers may order of the cards beside the decisions: the bodies of commands, told apart by their operation, which is
 * also the scope of their idempotency keys. The members are the caller's own, so that a reused key can name those that
 * differ.
 */
import type { Category } from './card.ts';
import type { MerchantRule } from './merchant-rules.ts';

/** Minor units, 0 to 2^53−1. */
export type Balances = { readonly [Balance in Category]?: number };

export interface CreateCardOrder {
  readonly operation: 'cards.create';
  readonly account: string;
  readonly currency: string;
  readonly balances?: Balances;
  readonly callback_url?: string;
}

export interface ChangeCardOrder {
  readonly operation: 'cards.change';
  readonly account: string;
  /** Null: from then on who asks waits for the answer. */
  readonly callback_url: string | null;
}

export interface TopUpOrder {
  readonly operation: 'cards.top_up';
  readonly account: string;
  readonly balances: Balances;
}

export interface BlockOrder {
  readonly operation: 'cards.block' | 'cards.unblock';
  readonly account: string;
}

export interface GiveBackOrder {
  readonly operation: 'card_transactions.reverse' | 'card_transactions.capture';
  readonly card_transaction_id: string;
  /** Minor units; all that is left, or held, if it is absent. */
  readonly amount?: number;
}

export interface ReplaceRulesOrder {
  readonly operation: 'merchant_rules.replace';
  /** The one that is replaced. */
  readonly version: number;
  readonly rules: readonly MerchantRule[];
}

export type CardOrder =
  | CreateCardOrder
  | ChangeCardOrder
  | TopUpOrder
  | BlockOrder
  | GiveBackOrder
  | ReplaceRulesOrder;
