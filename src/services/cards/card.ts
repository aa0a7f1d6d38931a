/** A card: three balances that one account may spend, each an account of the ledger. */
import { ACCOUNT_ID_PATTERN } from '#kernel/account-id.ts';
import type { EpochMs } from '#kernel/clock.ts';

/** The benefit balances of a card (K2). */
export const CATEGORIES = ['FOOD', 'MEAL', 'CASH'] as const;
export type Category = (typeof CATEGORIES)[number];

/** What pays when the balance that was meant cannot (K3). */
export const FALLBACK: Category = 'CASH';

export type CardStatus = 'active' | 'blocked';

export interface Card {
  readonly tenant: string;
  /** What the network calls it. */
  readonly account: string;
  readonly currency: string;
  readonly createdAt: EpochMs;
  status: CardStatus;
  /** Where the answers to its card transactions are sent, unless the request says otherwise (K10); null: nowhere. */
  callbackUrl: string | null;
}

/** `:FOOD` and its like must fit behind it in an account's id. */
const ACCOUNT_MAX = 64 - ':FOOD'.length;

/** Of no form that another id of ours has: the logs are searched by the id of what an event is about. */
export const CARD_ACCOUNT_PATTERN = `^(?![a-z]{3}_[0-9a-z]{26}$)${ACCOUNT_ID_PATTERN.slice(1).replace('{0,63}', `{0,${ACCOUNT_MAX - 1}}`)}`;

const CARD_ACCOUNT = new RegExp(CARD_ACCOUNT_PATTERN);

export function isCardAccount(text: string): boolean {
  return CARD_ACCOUNT.test(text);
}

/** The ledger's account of one balance: `123:FOOD`. */
export function balanceAccountId(account: string, category: Category): string {
  return `${account}:${category}`;
}

export function balanceAccountIds(account: string): string[] {
  return CATEGORIES.map((category) => balanceAccountId(account, category));
}

/** Where top-ups come from: external, one per tenant and currency. */
export function fundingAccountId(currency: string): string {
  return `card-funding-${currency}`;
}

/** What merchants are paid through: external, one per tenant and currency. */
export function settlementAccountId(currency: string): string {
  return `card-settlement-${currency}`;
}

/** Tenants and accounts have no slash. */
export function cardRef({ tenant, account }: { readonly tenant: string; readonly account: string }): string {
  return `${tenant}/${account}`;
}
