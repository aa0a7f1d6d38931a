/** The statements about card transactions. Each says what it locks and which index it relies on (how: docs/adr/0003). */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { int4Array, int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Statement, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Category } from './card.ts';
import type { CardKey } from './card-store.ts';
import type { CardTransaction, CardTransactionState, Code, Reason } from './card-transaction.ts';
import type { DecidedBy } from './choose-balance.ts';

/** Of a row called `t`. */
export const CARD_TRANSACTION_COLUMNS = `t.tenant, t.id, t.account, t.external_id, t.claim is not null as claimed, t.digest, t.mcc, t.merchant, t.amount, t.currency,
  t.code, t.category, t.decided_by, t.reason, t.detail, t.rules_version, t.latency_ms, t.state, t.captured, t.reversed,
  t.decided_at`;

/** What was decided under ids of callers. By the unique index on them. */
export const FIND_CLAIMS = statement(
  'cards.find_claims',
  `select ${CARD_TRANSACTION_COLUMNS}
   from ${batchRows('wanted', { claim: 'uuid' })}
   cross join lateral (select * from cards.card_transactions t where t.claim = wanted.claim offset 0) t`,
);

/** No lock: of what never changes of them, and of whether they are there. By primary key. */
export const FIND_CARD_TRANSACTIONS = statement(
  'cards.find_card_transactions',
  `select ${CARD_TRANSACTION_COLUMNS}
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from cards.card_transactions t where t.tenant = wanted.tenant and t.id = wanted.id offset 0
   ) t`,
);

/** As `lock_card_transactions` has them; `t` is the row that is locked. */
const LOCKED_COLUMNS = `${CARD_TRANSACTION_COLUMNS}, t.repeated_at is not null as repeated`;

/**
 * Locks card transactions in the order of the arrays, which is (tenant, id), behind the locks of their balances (R3). What
 * stands in them changes under this lock alone, so that a repeat and a reversal cannot both have the last word. The rows it
 * returns are the locked versions (their own columns only: R2). By primary key.
 */
export const LOCK_CARD_TRANSACTIONS = statement(
  'cards.lock_card_transactions',
  `select ${LOCKED_COLUMNS}
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from cards.card_transactions t where t.tenant = wanted.tenant and t.id = wanted.id for no key update
   ) t`,
);

/** As `lock_card_transactions`, but what somebody else has locked is left out: for who must not wait. By primary key. */
export const LOCK_FREE_CARD_TRANSACTIONS = statement(
  'cards.lock_free_card_transactions',
  `select ${LOCKED_COLUMNS}
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from cards.card_transactions t
     where t.tenant = wanted.tenant and t.id = wanted.id for no key update skip locked
   ) t`,
);

const INSERTED = {
  tenant: 'text',
  id: 'uuid',
  account: 'text',
  external_id: 'text',
  claim: 'uuid',
  digest: 'uuid',
  mcc: 'text',
  merchant: 'text',
  amount: 'bigint',
  currency: 'text',
  code: 'text',
  category: 'text',
  decided_by: 'text',
  reason: 'text',
  detail: 'text',
  rules_version: 'integer',
  latency_ms: 'integer',
  state: 'text',
  captured: 'bigint',
  reversed: 'bigint',
  decided_at: 'timestamptz',
};

/** An id that another process claimed meanwhile raises a unique violation; the batch is then decided anew. */
export const INSERT_CARD_TRANSACTIONS = statement(
  'cards.insert_card_transactions',
  `insert into cards.card_transactions (${Object.keys(INSERTED).join(', ')})
   select ${Object.keys(INSERTED).join(', ')} from ${batchRows('v', INSERTED)}`,
);

/**
 * As far as they are not there; the ids of those that were not. Whoever is inserting the same one is waited for, so that
 * afterwards it is certain which of the two it is (authorizer.ts, C4). By primary key.
 */
export const INSERT_UNLESS_THERE = statement(
  'cards.insert_unless_there',
  `insert into cards.card_transactions (${Object.keys(INSERTED).join(', ')})
   select ${Object.keys(INSERTED).join(', ')} from ${batchRows('v', INSERTED)}
   on conflict (tenant, id) do nothing
   returning id`,
);

/**
 * Locked before in this transaction, so that the row found is the row updated, and raises unless every one was; touches no
 * indexed column (HOT). By primary key.
 */
export const UPDATE_CARD_TRANSACTIONS = statement(
  'cards.update_card_transactions',
  `with changed as (
   update cards.card_transactions c
   set code = v.code, reason = v.reason, state = v.state, captured = v.captured, reversed = v.reversed
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     code: 'text',
     reason: 'text',
     state: 'text',
     captured: 'bigint',
     reversed: 'bigint',
   })}
   cross join lateral (
     select t.ctid from cards.card_transactions t where t.tenant = v.tenant and t.id = v.id offset 0
   ) as found(at)
   where c.ctid = found.at
   returning 1
   )
   select cards.require_all(count(*), cardinality($2::uuid[])) from changed`,
);

export interface CardTransactionKey {
  readonly tenant: string;
  readonly uuid: string;
}

export interface CardTransactionRow {
  tenant: string;
  id: string;
  account: string | null;
  external_id: string | null;
  claimed: boolean;
  digest: string | null;
  mcc: string | null;
  merchant: string | null;
  amount: bigint | null;
  currency: string | null;
  code: Code;
  category: Category | null;
  decided_by: DecidedBy | null;
  reason: Reason | null;
  detail: string | null;
  rules_version: number | null;
  latency_ms: number;
  state: CardTransactionState;
  captured: bigint;
  reversed: bigint;
  decided_at: EpochMs;
}

export function cardTransactionOf(row: CardTransactionRow): CardTransaction {
  return {
    tenant: row.tenant,
    uuid: row.id,
    account: row.account,
    externalId: row.external_id,
    claimed: row.claimed,
    digest: row.digest,
    mcc: row.mcc,
    merchant: row.merchant,
    amountMinor: row.amount,
    currency: row.currency,
    code: row.code,
    category: row.category,
    decidedBy: row.decided_by,
    reason: row.reason,
    detail: row.detail,
    rulesVersion: row.rules_version,
    latencyMs: row.latency_ms,
    state: row.state,
    capturedMinor: row.captured,
    reversedMinor: row.reversed,
    decidedAt: row.decided_at,
  };
}

export async function findClaims(tx: Transaction, claims: readonly Claim[]): Promise<CardTransaction[]> {
  if (claims.length === 0) return [];
  const rows = await tx.query<CardTransactionRow>(FIND_CLAIMS, [uuidArray(claims.map(claimDigest))]);
  return rows.map(cardTransactionOf);
}

/** What an external id is unique in. */
export interface Claim extends CardKey {
  readonly externalId: string;
}

function claimDigest({ tenant, account, externalId }: Claim): string {
  return derivedUuid(tenant, account, externalId);
}

function claimIn({ tenant, account, externalId, claimed }: CardTransaction): string | null {
  return claimed && account !== null && externalId !== null
    ? claimDigest({ tenant, account, externalId })
    : null;
}

export async function findCardTransactions(
  tx: Transaction,
  keys: readonly CardTransactionKey[],
): Promise<CardTransaction[]> {
  if (keys.length === 0) return [];
  const rows = await tx.query<CardTransactionRow>(FIND_CARD_TRANSACTIONS, keyColumns(keys));
  return rows.map(cardTransactionOf);
}

/** As they are now, and whether a repeat may have been told that they were approved: then that is how they stay. */
export interface LockedCardTransaction {
  readonly cardTransaction: CardTransaction;
  readonly isRepeated: boolean;
}

interface LockedRow extends CardTransactionRow {
  repeated: boolean;
}

export function lockCardTransactions(
  tx: Transaction,
  keys: readonly CardTransactionKey[],
): Promise<LockedCardTransaction[]> {
  return lockBy(LOCK_CARD_TRANSACTIONS, tx, keys);
}

/** Without those that somebody else has locked. */
export function lockFreeCardTransactions(
  tx: Transaction,
  keys: readonly CardTransactionKey[],
): Promise<LockedCardTransaction[]> {
  return lockBy(LOCK_FREE_CARD_TRANSACTIONS, tx, keys);
}

async function lockBy(
  locking: Statement,
  tx: Transaction,
  keys: readonly CardTransactionKey[],
): Promise<LockedCardTransaction[]> {
  if (keys.length === 0) return [];
  const rows = await tx.query<LockedRow>(locking, keyColumns(inOrder(keys)));
  return rows.map((row) => ({ cardTransaction: cardTransactionOf(row), isRepeated: row.repeated }));
}

/** R3: in the order in which all lock them. */
export function inOrder(keys: readonly CardTransactionKey[]): CardTransactionKey[] {
  return keys.toSorted(byKey);
}

function byKey(a: CardTransactionKey, b: CardTransactionKey): number {
  if (a.tenant !== b.tenant) return a.tenant < b.tenant ? -1 : 1;
  return a.uuid < b.uuid ? -1 : 1;
}

/** R3: by claim, which is what another process may be inserting as well. */
export function insertCardTransactions(tx: Transaction, decided: readonly CardTransaction[]): void {
  if (decided.length === 0) return;
  const sorted = decided
    .map((each) => ({ each, claim: claimIn(each) ?? '' }))
    .toSorted((a, b) => (a.claim < b.claim ? -1 : 1))
    .map(({ each }) => each);
  tx.run(INSERT_CARD_TRANSACTIONS, insertedColumns(sorted));
}

/** The uuids of those that were not there. */
export async function insertUnlessThere(
  tx: Transaction,
  undecided: readonly CardTransaction[],
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ id: string }>(INSERT_UNLESS_THERE, insertedColumns(undecided));
  return new Set(rows.map(({ id }) => id));
}

function insertedColumns(of: readonly CardTransaction[]): Buffer[] {
  return [
    ...keyColumns(of),
    textArray(of.map(({ account }) => account)),
    textArray(of.map(({ externalId }) => externalId)),
    uuidArray(of.map(claimIn)),
    uuidArray(of.map(({ digest }) => digest)),
    textArray(of.map(({ mcc }) => mcc)),
    textArray(of.map(({ merchant }) => merchant)),
    int8Array(of.map(({ amountMinor }) => amountMinor)),
    textArray(of.map(({ currency }) => currency)),
    textArray(of.map(({ code }) => code)),
    textArray(of.map(({ category }) => category)),
    textArray(of.map(({ decidedBy }) => decidedBy)),
    textArray(of.map(({ reason }) => reason)),
    textArray(of.map(({ detail }) => detail)),
    int4Array(of.map(({ rulesVersion }) => rulesVersion)),
    int4Array(of.map(({ latencyMs }) => latencyMs)),
    textArray(of.map(({ state }) => state)),
    int8Array(of.map(({ capturedMinor }) => capturedMinor)),
    int8Array(of.map(({ reversedMinor }) => reversedMinor)),
    timestamptzArray(of.map(({ decidedAt }) => decidedAt)),
  ];
}

export function updateCardTransactions(tx: Transaction, changed: readonly CardTransaction[]): void {
  if (changed.length === 0) return;
  const sorted = changed.toSorted(byKey); // R3
  tx.run(UPDATE_CARD_TRANSACTIONS, [
    ...keyColumns(sorted),
    textArray(sorted.map(({ code }) => code)),
    textArray(sorted.map(({ reason }) => reason)),
    textArray(sorted.map(({ state }) => state)),
    int8Array(sorted.map(({ capturedMinor }) => capturedMinor)),
    int8Array(sorted.map(({ reversedMinor }) => reversedMinor)),
  ]);
}

/** As `batchRows` reads them. */
export function keyColumns(keys: readonly CardTransactionKey[]): Buffer[] {
  return [textArray(keys.map(({ tenant }) => tenant)), uuidArray(keys.map(({ uuid }) => uuid))];
}
