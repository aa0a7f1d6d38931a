/** What callers read of the cards. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { balanceAccountIds, CATEGORIES, type Card, type Category } from './card.ts';
import type { CardBalance } from './card-document.ts';
import type { CardTransactionReading, Code, Confirmation } from './card-transaction.ts';
import type { MerchantRule } from './merchant-rules.ts';
import { CARD_TRANSACTION_COLUMNS, type CardTransactionRow, cardOf, cardTransactionOf } from './store.ts';

/** By primary key. */
export const FIND_CARD = `
  select c.tenant, c.account, c.currency, c.status, c.callback_url, c.created_at
  from cards.cards c where c.tenant = $1 and c.account = $2`;

const READING = `${CARD_TRANSACTION_COLUMNS},
  t.confirmed_at is null and exists (
    select from cards.unconfirmed u where u.tenant = t.tenant and u.id = t.id offset 0
  ) as unconfirmed`;

/** By primary key. */
export const FIND_CARD_TRANSACTION = `
  select ${READING} from cards.card_transactions t where t.tenant = $1 and t.id = $2`;

/** Newest first, before the id $2; by primary key, backwards. */
export const LIST_CARD_TRANSACTIONS = `
  select ${READING}
  from cards.card_transactions t
  where t.tenant = $1 and ($2::uuid is null or t.id < $2) and ($3::text is null or t.code = $3)
    and ($4::timestamptz is null or t.decided_at >= $4) and ($5::timestamptz is null or t.decided_at < $5)
  order by t.id desc
  limit $6`;

/** The same of one account; by the index on it, backwards. */
export const LIST_CARD_TRANSACTIONS_OF_ACCOUNT = `
  select ${READING}
  from cards.card_transactions t
  where t.tenant = $1 and t.account = $7 and ($2::uuid is null or t.id < $2) and ($3::text is null or t.code = $3)
    and ($4::timestamptz is null or t.decided_at >= $4) and ($5::timestamptz is null or t.decided_at < $5)
  order by t.id desc
  limit $6`;

/** Newest first; by primary key of the few that are unconfirmed, backwards, then by that of card transactions. */
export const LIST_UNCONFIRMED = `
  select ${READING}
  from cards.unconfirmed w
  cross join lateral (
    select * from cards.card_transactions t where t.tenant = w.tenant and t.id = w.id offset 0
  ) t
  where w.tenant = $1 and t.confirmed_at is null and ($2::uuid is null or w.id < $2) and ($3::text is null or t.code = $3)
    and ($4::timestamptz is null or t.decided_at >= $4) and ($5::timestamptz is null or t.decided_at < $5)
    and ($7::text is null or t.account = $7)
  order by w.id desc
  limit $6`;

/** The highest version: by primary key, backwards. */
export const FIND_RULES = `
  select r.version, r.rules from cards.merchant_rules r where r.tenant = $1 order by r.version desc limit 1`;

/** What the cards need of the ledger to be shown. */
export interface BalanceReads {
  findAccount(
    tenant: string,
    id: string,
  ): Promise<
    { readonly balance: { readonly postedMinor: bigint; readonly heldMinor: bigint | null } } | undefined
  >;
}

export interface CardReading {
  readonly card: Card;
  readonly balanceOf: (category: Category) => CardBalance;
}

export interface CardTransactionFilter {
  readonly account?: string;
  readonly code?: Code;
  readonly confirmation?: Confirmation;
  readonly from?: EpochMs;
  readonly to?: EpochMs;
}

export interface PageAsked {
  /** A uuid. */
  readonly before: string | undefined;
  readonly limit: number;
}

export class CardReads {
  readonly #reader: Reader;
  readonly #balances: BalanceReads;

  constructor(reader: Reader, balances: BalanceReads) {
    this.#reader = reader;
    this.#balances = balances;
  }

  /** Its balances are read one by one: each is true, not all of one instant. */
  async findCard(tenant: string, account: string): Promise<CardReading | undefined> {
    const [row] = await this.#reader.query<Parameters<typeof cardOf>[0]>(FIND_CARD, [tenant, account]);
    if (row === undefined) return undefined;
    const accounts = await Promise.all(
      balanceAccountIds(account).map((id) => this.#balances.findAccount(tenant, id)),
    );
    const balances = new Map(CATEGORIES.map((category, index) => [category, balanceIn(accounts[index])]));
    return { card: cardOf(row), balanceOf: (category) => balances.get(category) ?? NOTHING };
  }

  async findCardTransaction(tenant: string, uuid: string): Promise<CardTransactionReading | undefined> {
    const [row] = await this.#reader.query<ReadingRow>(FIND_CARD_TRANSACTION, [tenant, uuid]);
    return row === undefined ? undefined : readingOf(row);
  }

  async listCardTransactions(
    tenant: string,
    filter: CardTransactionFilter,
    { before, limit }: PageAsked,
  ): Promise<CardTransactionReading[]> {
    const { account, code, confirmation, from, to } = filter;
    const values = [tenant, before ?? null, code ?? null, instantOf(from), instantOf(to), limit];
    const rows =
      confirmation === 'unconfirmed'
        ? this.#reader.query<ReadingRow>(LIST_UNCONFIRMED, [...values, account ?? null])
        : account === undefined
          ? this.#reader.query<ReadingRow>(LIST_CARD_TRANSACTIONS, values)
          : this.#reader.query<ReadingRow>(LIST_CARD_TRANSACTIONS_OF_ACCOUNT, [...values, account]);
    return (await rows).map(readingOf);
  }

  async findRules(tenant: string): Promise<{ version: number; rules: readonly MerchantRule[] }> {
    const [row] = await this.#reader.query<{ version: number; rules: string }>(FIND_RULES, [tenant]);
    if (row === undefined) return { version: 0, rules: [] };
    return { version: row.version, rules: JSON.parse(row.rules) as MerchantRule[] };
  }
}

interface ReadingRow extends CardTransactionRow {
  unconfirmed: boolean;
}

function readingOf(row: ReadingRow): CardTransactionReading {
  return { ...cardTransactionOf(row), confirmation: row.unconfirmed ? 'unconfirmed' : 'confirmed' };
}

const NOTHING: CardBalance = { availableMinor: 0n, heldMinor: 0n };

function balanceIn(account: Awaited<ReturnType<BalanceReads['findAccount']>>): CardBalance {
  if (account === undefined) return NOTHING;
  const { postedMinor } = account.balance;
  const heldMinor = account.balance.heldMinor ?? 0n;
  return { availableMinor: postedMinor - heldMinor, heldMinor };
}

function instantOf(at: EpochMs | undefined): Date | null {
  return at === undefined ? null : new Date(at);
}
