/** What a batch of decisions needs: the balances that are free, locked, and behind the locks what depends on them (R2). */
import type { Transaction } from '#platform/postgres/session.ts';
import { type Account, type AccountRef, accountRef, type Ledger } from '#services/ledger/contract.ts';
import { type Asked, balancesNeeded, type CardBatch, claimRefOf } from './authorize-card-transaction.ts';
import { balanceAccountId, CATEGORIES, cardRef, settlementAccountId } from './card.ts';
import { type CardKey, findCards } from './card-store.ts';
import type { CardTransaction } from './card-transaction.ts';
import type { RulesCache } from './rules-cache.ts';
import { type Claim, findClaims, lockFreeCardTransactions } from './store.ts';

export interface CardSources {
  readonly ledger: Ledger;
  readonly rules: RulesCache;
  /** How long a settlement account that somebody else has locked is waited for; undefined: not. */
  readonly waitForSharedMs?: number | undefined;
}

/**
 * One round trip, where the accounts and the rules are known: all is sent before any of it is awaited. Another if there are
 * repeats of approvals, which are locked.
 */
export async function loadCardBatch(
  tx: Transaction,
  { ledger, rules, waitForSharedMs }: CardSources,
  batch: readonly Asked[],
  /** Of which only the answers of earlier requests are wanted, and whether the card has the answer sent. */
  repeats: readonly Asked[] = [],
): Promise<CardBatch> {
  const accounts = await findAccounts(tx, ledger, balancesOf(batch, rules));
  const [books, cards, claims, rulesOfTenants] = await Promise.all([
    ledger.openFreeBooks(tx, accounts, { waitForSharedMs }),
    findCards(tx, cardKeysOf([...batch, ...repeats])),
    findClaims(tx, [...batch, ...repeats].flatMap(claimOf)),
    rules.load(tx, [...new Set(batch.map(({ tenant }) => tenant))]),
  ]);
  return {
    books,
    cards: new Map(cards.map((card) => [cardRef(card), card])),
    ...(await lockRepeated(tx, claims, [...batch, ...repeats])),
    rules: rulesOfTenants,
  };
}

/** A decline never changes. An approval that a repeat is to be told is locked, and read as it is then (R2). */
async function lockRepeated(
  tx: Transaction,
  found: readonly CardTransaction[],
  asked: readonly Asked[],
): Promise<Pick<CardBatch, 'claims' | 'certain'>> {
  const digests = new Set(asked.map(({ reading }) => reading.received.digest));
  const [approved, declined] = partition(found, ({ code }) => code === '00');
  const repeated = approved.filter(({ digest }) => digests.has(digest));
  const locked = (await lockFreeCardTransactions(tx, repeated)).map(({ cardTransaction }) => cardTransaction);
  return {
    claims: new Map([...found, ...locked].map((each) => [claimRefOf(each), each])),
    certain: new Set([...declined, ...locked].map(({ uuid }) => uuid)),
  };
}

function partition<Value>(values: readonly Value[], isFirst: (value: Value) => boolean): [Value[], Value[]] {
  return [values.filter(isFirst), values.filter((value) => !isFirst(value))];
}

function cardKeysOf(batch: readonly Asked[]): CardKey[] {
  const keys = new Map<string, CardKey>();
  for (const { tenant, reading } of batch) {
    const { account } = reading.received;
    if (account !== null) keys.set(cardRef({ tenant, account }), { tenant, account });
  }
  return [...keys.values()];
}

/**
 * What is locked: of each card the balances that may pay, by the rules as they were last known, as each lock costs the server
 * as much as a look-up. Where they turn out to be others, what lacks its lock is decided by the next batch.
 */
function balancesOf(batch: readonly Asked[], rules: RulesCache): AccountRef[] {
  return batch.flatMap(({ tenant, reading }) => {
    const { account } = reading.received;
    if (account === null) return [];
    const known = rules.lastKnown(tenant);
    const categories = known === undefined ? CATEGORIES : balancesNeeded(reading, known);
    return categories.map((category) => ({ tenant, id: balanceAccountId(account, category) }));
  });
}

/** Those of the balances that there are, and what they settle through: a tenant's account for the currency. */
async function findAccounts(
  tx: Transaction,
  ledger: Ledger,
  wanted: readonly AccountRef[],
): Promise<Account[]> {
  const balances = await ledger.resolve(tx, wanted);
  const settlements = new Map<string, AccountRef>();
  for (const { tenant, currency } of balances.values()) {
    const settlement = { tenant, id: settlementAccountId(currency) };
    settlements.set(accountRef(settlement), settlement);
  }
  const shared = await ledger.resolve(tx, [...settlements.values()]);
  return [...balances.values(), ...shared.values()];
}

function claimOf(asked: Asked): Claim[] {
  const { account, externalId } = asked.reading.received;
  return account === null || externalId === null ? [] : [{ tenant: asked.tenant, account, externalId }];
}
