/** What a proof may ask of the cards' tables: whether they agree with what the log tells. Keys are not sourced from any log. */
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { CardKey } from './card-store.ts';
import type { CardTransactionKey } from './store.ts';

/**
 * What a hold lasts, and a day for clocks that differ. One that waits longer sets money aside and nobody looks at it; one that waits
 * less is given back before it can be captured.
 */
const HOLD_DAYS = { least: 6, most: 8 } as const;

const CARD_TRANSACTIONS: Comparison = {
  key: { tenant: 'text', id: 'uuid' },
  columns: {
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
    rules_version: 'bigint',
    latency_ms: 'bigint',
    state: 'text',
    captured: 'bigint',
    reversed: 'bigint',
    decided_at: 'instant',
    expires: 'text',
  },
  actual: `select t.account, t.external_id, t.claim, t.digest, t.mcc, t.merchant, t.amount, t.currency, t.code,
                  t.category, t.decided_by, t.reason, t.detail, t.rules_version::bigint, t.latency_ms::bigint, t.state,
                  t.captured, t.reversed, t.decided_at,
                  case when t.state <> 'held' then null when exists (
                    select from cards.open_holds h
                    where h.tenant = t.tenant and h.id = t.id and h.due_at >= t.decided_at + interval '${HOLD_DAYS.least} days'
                      and h.due_at <= greatest(t.decided_at, now()) + interval '${HOLD_DAYS.most} days'
                  ) then 'in time' else 'never, or too early' end as expires
           from cards.card_transactions t where t.tenant = expected.tenant and t.id = expected.id`,
};

/** Card transactions that are missing or other than expected; by primary key. */
export function differingCardTransactions(
  reader: Reader,
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareLookups(reader, CARD_TRANSACTIONS, expected);
}

/** In the order of the primary key, after `after`. */
export function listCardTransactionRefs(
  reader: Reader,
  after: CardTransactionKey | undefined,
  limit: number,
): Promise<CardTransactionKey[]> {
  return listKeys(reader, 'cards.card_transactions', { after, limit });
}

/** Those of which a hold waits for its end, in the order of the primary key, after `after`. */
export function listOpenHoldRefs(
  reader: Reader,
  after: CardTransactionKey | undefined,
  limit: number,
): Promise<CardTransactionKey[]> {
  return listKeys(reader, 'cards.open_holds', { after, limit });
}

function listKeys(
  reader: Reader,
  table: 'cards.card_transactions' | 'cards.open_holds',
  { after, limit }: { readonly after: CardTransactionKey | undefined; readonly limit: number },
): Promise<CardTransactionKey[]> {
  return reader.query<CardTransactionKey>(
    `select t.tenant, t.id as uuid from ${table} t
     where $1::text is null or (t.tenant, t.id) > ($1, $2::uuid)
     order by t.tenant, t.id limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit],
  );
}

const CARDS: Comparison = {
  key: { tenant: 'text', account: 'text' },
  columns: { currency: 'text', status: 'text', callback_url: 'text', created_at: 'instant' },
  actual: `select c.currency, c.status, c.callback_url, c.created_at from cards.cards c
           where c.tenant = expected.tenant and c.account = expected.account`,
};

/** Cards that are missing or other than expected; by primary key. */
export function differingCards(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, CARDS, expected);
}

/** In the order of the primary key, after `after`. */
export function listCards(reader: Reader, after: CardKey | undefined, limit: number): Promise<CardKey[]> {
  return reader.query<CardKey>(
    `select c.tenant, c.account from cards.cards c
     where $1::text is null or (c.tenant, c.account) > ($1, $2)
     order by c.tenant, c.account limit $3`,
    [after?.tenant ?? null, after?.account ?? null, limit],
  );
}

const RULES: Comparison = {
  key: { tenant: 'text', version: 'bigint' },
  columns: { rules: 'text', actor: 'text', replaced_at: 'instant' },
  actual: `select r.rules, r.actor, r.replaced_at from cards.merchant_rules r
           where r.tenant = expected.tenant and r.version = expected.version`,
};

/** Versions of merchant rules that are missing or other than expected; by primary key. */
export function differingRules(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, RULES, expected);
}

/** In the order of the primary key, after `after`. */
export async function listRulesVersions(
  reader: Reader,
  after: { readonly tenant: string; readonly version: number } | undefined,
  limit: number,
): Promise<{ tenant: string; version: number }[]> {
  return reader.query<{ tenant: string; version: number }>(
    `select r.tenant, r.version from cards.merchant_rules r
     where $1::text is null or (r.tenant, r.version) > ($1, $2::integer)
     order by r.tenant, r.version limit $3`,
    [after?.tenant ?? null, after?.version ?? null, limit],
  );
}
