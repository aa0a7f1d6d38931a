/** Cards with little enough on them that they run out, and are topped up again. */
import type { Operation } from '../history/history.ts';
import { numbered } from './numbered.ts';
import type { Order } from './order.ts';

export const CARDS = numbered('card', 6);
export const CATEGORIES = ['FOOD', 'MEAL', 'CASH'] as const;
const CURRENCY = 'BRL';
const BALANCES = { FOOD: 20_000, MEAL: 20_000, CASH: 10_000 };

/** Every account that a card transaction or a top-up moves money of. */
export const CARD_ACCOUNTS: readonly string[] = [
  `card-funding-${CURRENCY}`,
  `card-settlement-${CURRENCY}`,
  ...CARDS.flatMap((card) => CATEGORIES.map((category) => `${card}:${category}`)),
];

export function cardOpenings(): Order[] {
  return CARDS.map((account) => ({
    operation: 'card',
    key: `open-${account}`,
    path: '/v1/cards',
    body: JSON.stringify({ account, currency: CURRENCY, balances: BALANCES }),
  }));
}

export function topUp(key: string, card: string, balances: Readonly<Record<string, number>>): Order {
  return { operation: 'top_up', key, path: `/v1/cards/${card}/top-ups`, body: JSON.stringify({ balances }) };
}

export interface Purchase {
  readonly account: string;
  readonly totalAmount: number;
  readonly mcc: string;
  readonly capture?: boolean;
}

/** `deadlineMs`: undefined is what the product gives by itself. */
export function purchaseOrder(id: string, purchase: Purchase, deadlineMs?: number): Order {
  return {
    operation: 'card_transaction',
    key: id,
    path: '/v1/card-transactions',
    body: JSON.stringify({ id, merchant: 'PADARIA DO ZE               SAO PAULO BR', ...purchase }),
    ...(deadlineMs === undefined ? {} : { headers: { 'x-deadline-ms': `${deadlineMs}` } }),
  };
}

/** The same request, by somebody who wants to know and has time. */
export function patiently(order: Order): Order {
  return order.operation === 'card_transaction'
    ? { ...order, headers: { 'x-deadline-ms': `${PATIENT_MS}` } }
    : order;
}

/** Less than a caller waits for an answer. */
const PATIENT_MS = 3500;

export function stepOrder(
  operation: Extract<Operation, 'card_reversal' | 'card_capture'>,
  key: string,
  { cardTransaction, amount }: { readonly cardTransaction: string; readonly amount?: number | undefined },
): Order {
  const part = operation === 'card_reversal' ? 'reversal' : 'capture';
  const body = JSON.stringify(amount === undefined ? {} : { amount });
  return { operation, key, path: `/v1/card-transactions/${cardTransaction}/${part}`, body };
}
