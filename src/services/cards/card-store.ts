/** The statements about cards. */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray, timestamptzArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import { type Card, type CardStatus, cardRef } from './card.ts';

/** No lock: a card's status changes under the locks of its balances. By primary key. */
export const FIND_CARDS = statement(
  'cards.find_cards',
  `select c.tenant, c.account, c.currency, c.status, c.callback_url, c.created_at
   from ${batchRows('wanted', { tenant: 'text', account: 'text' })}
   cross join lateral (
     select * from cards.cards c where c.tenant = wanted.tenant and c.account = wanted.account offset 0
   ) c`,
);

/** R3: the caller sorts by (tenant, account). A card that another process made meanwhile raises a unique violation. */
export const INSERT_CARDS = statement(
  'cards.insert_cards',
  `insert into cards.cards (tenant, account, currency, status, callback_url, created_at)
   select tenant, account, currency, status, callback_url, created_at
   from ${batchRows('v', {
     tenant: 'text',
     account: 'text',
     currency: 'text',
     status: 'text',
     callback_url: 'text',
     created_at: 'timestamptz',
   })}`,
);

/** Under the locks of the card's balances. By primary key. */
export const UPDATE_CARDS = statement(
  'cards.update_cards',
  `update cards.cards c set status = v.status, callback_url = v.callback_url
   from ${batchRows('v', { tenant: 'text', account: 'text', status: 'text', callback_url: 'text' })}
   cross join lateral (
     select t.ctid from cards.cards t where t.tenant = v.tenant and t.account = v.account offset 0
   ) as found(at)
   where c.ctid = found.at`,
);

export interface CardKey {
  readonly tenant: string;
  readonly account: string;
}

interface CardRow {
  tenant: string;
  account: string;
  currency: string;
  status: CardStatus;
  callback_url: string | null;
  created_at: EpochMs;
}

export function cardOf({ created_at, callback_url, ...row }: CardRow): Card {
  return { ...row, callbackUrl: callback_url, createdAt: created_at };
}

export async function findCards(tx: Transaction, keys: readonly CardKey[]): Promise<Card[]> {
  if (keys.length === 0) return [];
  const rows = await tx.query<CardRow>(FIND_CARDS, [
    textArray(keys.map(({ tenant }) => tenant)),
    textArray(keys.map(({ account }) => account)),
  ]);
  return rows.map(cardOf);
}

export function insertCards(tx: Transaction, cards: readonly Card[]): void {
  if (cards.length === 0) return;
  const sorted = cards.toSorted((a, b) => (cardRef(a) < cardRef(b) ? -1 : 1)); // R3
  tx.run(INSERT_CARDS, [
    textArray(sorted.map(({ tenant }) => tenant)),
    textArray(sorted.map(({ account }) => account)),
    textArray(sorted.map(({ currency }) => currency)),
    textArray(sorted.map(({ status }) => status)),
    textArray(sorted.map(({ callbackUrl }) => callbackUrl)),
    timestamptzArray(sorted.map(({ createdAt }) => createdAt)),
  ]);
}

export function updateCards(tx: Transaction, cards: readonly Card[]): void {
  if (cards.length === 0) return;
  tx.run(UPDATE_CARDS, [
    textArray(cards.map(({ tenant }) => tenant)),
    textArray(cards.map(({ account }) => account)),
    textArray(cards.map(({ status }) => status)),
    textArray(cards.map(({ callbackUrl }) => callbackUrl)),
  ]);
}
