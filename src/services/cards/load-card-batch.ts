/** What a batch of decisions needs: the balances that are free, locked, and behind the locks what depends on them (R2). */
import type { Transaction } from '#platform/postgres/session.ts';
import { type Account, type AccountRef, accountRef, type Ledger } from '#services/ledger/contract.ts';
import type { Asked, CardBatch } from './authorize-card-transaction.ts';
import { balanceAccountId, balanceAccountIds, cardRef, FALLBACK, settlementAccountId } from './card.ts';
import type { RulesCache } from './rules-cache.ts';
import { type CardKey, type Claim, findCards, findClaims } from './store.ts';

/** One round trip, where the accounts and the rules are known: all is sent before any of it is awaited. */
export async function loadCardBatch(
  tx: Transaction,
  { ledger, rules }: { readonly ledger: Ledger; readonly rules: RulesCache },
  batch: readonly Asked[],
  /** Of which only the answers of earlier requests are wanted. */
  repeats: readonly Asked[] = [],
): Promise<CardBatch> {
  const keys = cardKeysOf(batch);
  const accounts = await findAccounts(tx, ledger, keys);
  const [books, cards, claims, rulesOfTenants] = await Promise.all([
    ledger.openFreeBooks(tx, accounts),
    findCards(tx, keys),
    findClaims(tx, [...batch, ...repeats].flatMap(claimOf)),
    rules.load(tx, [...new Set(batch.map(({ tenant }) => tenant))]),
  ]);
  return {
    books,
    cards: new Map(cards.map((card) => [cardRef(card), card])),
    claims: new Map(claims.map((claim) => [`${claim.tenant}/${claim.account}/${claim.externalId}`, claim])),
    rules: rulesOfTenants,
  };
}

function cardKeysOf(batch: readonly Asked[]): CardKey[] {
  const keys = new Map<string, CardKey>();
  for (const { tenant, reading } of batch) {
    const { account } = reading.received;
    if (account !== null) keys.set(cardRef({ tenant, account }), { tenant, account });
  }
  return [...keys.values()];
}

/** Balances of the cards, and what they settle through: a tenant's account for the currency, which the balances tell. */
async function findAccounts(tx: Transaction, ledger: Ledger, keys: readonly CardKey[]): Promise<Account[]> {
  const balances = await ledger.resolve(
    tx,
    keys.flatMap(({ tenant, account }) =>
      balanceAccountIds(account).map((id): AccountRef => ({ tenant, id })),
    ),
  );
  const settlements = new Map<string, AccountRef>();
  for (const { tenant, account } of keys) {
    const balance = balances.get(accountRef({ tenant, id: balanceAccountId(account, FALLBACK) }));
    if (balance === undefined) continue;
    const settlement = { tenant, id: settlementAccountId(balance.currency) };
    settlements.set(accountRef(settlement), settlement);
  }
  const shared = await ledger.resolve(tx, [...settlements.values()]);
  return [...balances.values(), ...shared.values()];
}

function claimOf(asked: Asked): Claim[] {
  const { account, externalId } = asked.reading.received;
  return account === null || externalId === null ? [] : [{ tenant: asked.tenant, account, externalId }];
}
