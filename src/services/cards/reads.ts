/** What callers read of the cards. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import { firstUuidAt, ID_AHEAD_MS } from '#kernel/first-uuid.ts';
import {
  conditionsOver,
  LOOKED_THROUGH_MAX,
  lookThrough,
  type Search,
} from '#platform/postgres/look-through.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { balanceAccountIds, CATEGORIES, type Card, type Category } from './card.ts';
import type { CardBalance } from './card-document.ts';
import { cardOf } from './card-store.ts';
import type { CardTransactionReading, Code, Confirmation } from './card-transaction.ts';
import type { MerchantRule } from './merchant-rules.ts';
import { CARD_TRANSACTION_COLUMNS, type CardTransactionRow, cardTransactionOf } from './store.ts';

/** By primary key. */
const FIND_CARD = `
  select c.tenant, c.account, c.currency, c.status, c.callback_url, c.created_at
  from cards.cards c where c.tenant = $1 and c.account = $2`;

const READING = `${CARD_TRANSACTION_COLUMNS},
  t.confirmed_at is null and exists (
    select from cards.unconfirmed u where u.tenant = t.tenant and u.id = t.id offset 0
  ) as unconfirmed`;

/** By primary key. */
const FIND_CARD_TRANSACTION = `
  select ${READING} from cards.card_transactions t where t.tenant = $1 and t.id = $2`;

/** Few among many: by primary key of those that are unconfirmed, then by that of card transactions. */
const UNCONFIRMED = `cards.unconfirmed w cross join lateral (
  select * from cards.card_transactions t where t.tenant = w.tenant and t.id = w.id offset 0
) t`;

/** The highest version: by primary key, backwards. */
const FIND_RULES = `
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

export interface CardTransactionRows {
  readonly cardTransactions: readonly CardTransactionReading[];
  /** The one before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/**
 * How far an id's time may be behind `decided_at`: it is made when the request comes, and what is answered by callback, or is to be
 * noted as undecided, waits in memory as long as the database is away. No process is left alone with that for a day.
 */
const ID_BEHIND_MS = 86_400_000;

export class CardReads {
  readonly #reader: Reader;
  readonly #balances: BalanceReads;
  readonly #lookedThroughMax: number;

  constructor(reader: Reader, balances: BalanceReads, lookedThroughMax = LOOKED_THROUGH_MAX) {
    this.#reader = reader;
    this.#balances = balances;
    this.#lookedThroughMax = lookedThroughMax;
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

  /** Newest first. By primary key, the index on the account, or among the unconfirmed; backwards, and no further than their ids' time. */
  async listCardTransactions(
    tenant: string,
    filter: CardTransactionFilter,
    { before, limit }: PageAsked,
  ): Promise<CardTransactionRows> {
    const search = searchFor(tenant, filter, before);
    const bounds = { limit, lookedThroughMax: this.#lookedThroughMax };
    const { found, last } = await lookThrough<ReadingRow>(this.#reader, search, bounds);
    return { cardTransactions: found.map(readingOf), next: last?.id };
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

function searchFor(
  tenant: string,
  { account, code, confirmation, from, to }: CardTransactionFilter,
  before: string | undefined,
): Search {
  const unconfirmed = confirmation === 'unconfirmed';
  const values: unknown[] = [];
  const where = conditionsOver(values);
  const walked = unconfirmed ? 'w' : 't';
  const ofAccount = where('t.account = ?', account);
  const keys = [
    ...where(`${walked}.tenant = ?`, tenant),
    ...where(`${walked}.id < ?`, before),
    ...where(`${walked}.id < ?`, to === undefined ? undefined : firstUuidAt(to + ID_AHEAD_MS)),
    ...where(`${walked}.id >= ?`, from === undefined ? undefined : firstUuidAt(from - ID_BEHIND_MS)),
    ...(unconfirmed ? [] : ofAccount),
  ];
  const matches = [
    ...(unconfirmed ? ['t.confirmed_at is null', ...ofAccount] : []),
    ...where('t.code = ?', code),
    ...where('t.decided_at >= ?', from === undefined ? undefined : new Date(from)),
    ...where('t.decided_at < ?', to === undefined ? undefined : new Date(to)),
  ];
  return {
    columns: READING,
    from: unconfirmed ? UNCONFIRMED : 'cards.card_transactions t',
    alias: 't',
    keys,
    matches,
    walked: [`${walked}.id`],
    values,
  };
}
