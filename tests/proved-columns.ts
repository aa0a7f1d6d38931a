/**
 * Which columns a proof vouches for: of each table a row, on one of the small installations, and what is done to it. Every
 * column that is neither here nor among those that need no proof (unproved-columns.ts) fails a test.
 */

import type { TestDatabase } from './database.ts';
import { payEveryEnding } from './paid-installation.ts';
import { payThroughGateways } from './paid-through-gateways.ts';
import { recordCash } from './recorded-cash.ts';
import { sealDays } from './sealed-days.ts';
import { tellOfIntegration } from './told-integration.ts';
import { useCards } from './used-cards.ts';

export const WORLDS = {
  'payments from the balance': async () => (await payEveryEnding()).database,
  'payments by gateways': payThroughGateways,
  cards: useCards,
  'cash entries': recordCash,
  days: sealDays,
  integrations: tellOfIntegration,
} as const satisfies Record<string, () => Promise<TestDatabase>>;

export type World = keyof typeof WORLDS;

export interface ProvedTable {
  readonly table: string;
  readonly world: World;
  /** The row that is damaged: the first that this is true of. */
  readonly row: string;
  /** The columns that show in this row and in no other; default all that are not another row's. */
  readonly only?: readonly string[];
  /** By column, an expression for its other value; default what its type suggests (`otherValue`). */
  readonly to?: Readonly<Record<string, string>>;
}

const PAYMENTS = 'payments from the balance';
const GATEWAYS = 'payments by gateways';

export const PROVED_TABLES: readonly ProvedTable[] = [
  {
    table: 'payments.payments',
    world: PAYMENTS,
    row: `reference = 'invoice-7'`,
    to: { method: `'gateway'`, status: `'failed'` },
  },
  { table: 'payments.payment_references', world: PAYMENTS, row: 'true' },
  { table: 'payments.reconciliations', world: GATEWAYS, row: 'true' },
  {
    table: 'payments.refunds',
    world: GATEWAYS,
    row: `status = 'completed'`,
    to: { status: `'failed'` },
  },
  {
    table: 'payments.refund_totals',
    world: GATEWAYS,
    row: 'refunded > 0 and promised > refunded and promised < captured and undo_requested_at is null',
  },
  {
    table: 'payments.refund_totals',
    world: GATEWAYS,
    row: 'promised = 0',
    to: { refunded: '1, promised = 1' },
  },
  {
    table: 'ledger.accounts',
    world: PAYMENTS,
    row: `id = 'wallet'`,
    to: { key: '999', kind: `'service'`, currency: `'EUR'`, time_zone: `'nowhere'` },
  },
  {
    table: 'ledger.balances',
    world: PAYMENTS,
    row: `account_key = (select key from ledger.accounts where id = 'wallet')`,
    to: { account_key: '999', status: `'closed'` },
  },
  {
    table: 'ledger.holds',
    world: PAYMENTS,
    row: `state = 'captured'`,
    to: { account_key: '999', state: `'released'`, owner: `'card'` },
  },
  {
    table: 'ledger.entries',
    world: PAYMENTS,
    row: `description = 'a correction'`,
    to: { purpose: `'payment'` },
  },
  {
    table: 'ledger.postings',
    world: PAYMENTS,
    row: 'sequence = 3',
    to: { account_key: '999', sequence: 'sequence + 1000' },
  },
  {
    table: 'authorization.sagas',
    world: PAYMENTS,
    row: `state = 'completed'`,
    to: { state: `'authorized'`, method: `'gateway'` },
  },
  {
    table: 'authorization.refund_sagas',
    world: GATEWAYS,
    row: `state = 'completed'`,
    to: { state: `'authorized'`, method: `case method when 'balance' then 'gateway' else 'balance' end` },
  },
  {
    table: 'authorization.compensations',
    world: GATEWAYS,
    row: 'true',
    to: { steps: `'["release_hold"]'` },
  },
  {
    table: 'providers.attempts',
    world: GATEWAYS,
    row: `state = 'approved' and not exists (
      select from providers.events e
      where e.subject = t.subject and e.type in ('provider.unknown', 'provider.unresolved', 'provider.refund_unresolved'))`,
    to: {
      kind: `'refund', number = number + 100`,
      number: 'number + 100',
      purpose: `'refund'`,
      state: `'declined'`,
    },
  },
  {
    table: 'providers.attempts',
    world: GATEWAYS,
    row: `state = 'pending' and kind = 'charge' and not told_unresolved`,
    only: ['due_at', 'deadline_at'],
    to: { due_at: 'null', deadline_at: `'infinity'` },
  },
  {
    table: 'integrity.verdicts',
    world: PAYMENTS,
    row: `verdict = 'complete'`,
    to: { verdict: `'broken'`, findings: `'[{"kind":"missing_stage"}]'` },
  },
  {
    table: 'notification.notifications',
    world: PAYMENTS,
    row: `type = 'payment.rejected'`,
    to: { payload: `replace(payload, ' USD"', ' EUR"')` },
  },
  {
    table: 'integrity.checkpoints',
    world: PAYMENTS,
    row: 'number = 1',
    to: { number: '99', signature: 'sha256(signature) || sha256(signature)' },
  },
  {
    table: 'integrity.checkpoint_logs',
    world: PAYMENTS,
    row: `number = 2 and topic = 'payments' and position > from_position`,
    to: { partition: '99' },
  },
  { table: 'integrity.signing_keys', world: PAYMENTS, row: 'true' },
  { table: 'integrity.installation_ids', world: PAYMENTS, row: 'true' },
  {
    table: 'log.heads',
    world: PAYMENTS,
    row: `topic = 'payments' and position > 0`,
    to: { partition: '99' },
  },
  {
    table: 'log.positions',
    world: PAYMENTS,
    row: `consumer_group = 'ledger' and topic = 'authorization' and position > 0`,
    to: { partition: '99' },
  },
  { table: 'log.installation', world: PAYMENTS, row: 'true' },
  {
    table: 'cards.cards',
    world: 'cards',
    row: `account = '123'`,
    to: { currency: `'USD'`, status: `'blocked'` },
  },
  {
    table: 'cards.card_transactions',
    world: 'cards',
    row: `external_id = 'b'`,
    to: {
      code: `'51'`,
      category: `'FOOD'`,
      decided_by: `'merchant_rule'`,
      state: `'held'`,
      captured: 'captured + 1',
    },
  },
  { table: 'cards.open_holds', world: 'cards', row: 'true', to: { due_at: `'2200-01-01'` } },
  { table: 'cards.merchant_rules', world: 'cards', row: 'true' },
  {
    table: 'notification.card_notifications',
    world: 'cards',
    row: `payload like '%card.reversed%'`,
    to: {
      partition: '99',
      position: 'position + 1000',
      payload: `replace(payload, '"reversal_id":"crv_0', '"reversal_id":"crv_1')`,
    },
  },
  {
    table: 'notification.messages',
    world: 'cards',
    row: `type = 'card.approved'`,
    to: { body: `replace(body, '"merchant":"BAR"', '"merchant":"PUB"')` },
  },
  { table: 'notification.lanes', world: 'cards', row: 'last_turn > done_turn', to: { due_at: 'null' } },
  {
    table: 'cashflow.cash_entries',
    world: 'cash entries',
    row: 'import_id is not null',
    to: { direction: `'debit'`, currency: `'USD'`, category: `'Food'` },
  },
  {
    table: 'consolidation.accounts',
    world: 'days',
    row: `id = 'book'`,
    to: { key: 'default', time_zone: `'EST'` },
  },
  {
    table: 'consolidation.standings',
    world: 'days',
    row: 'true',
    to: { account_key: '999', last_day: 'last_day - 1' },
  },
  {
    table: 'consolidation.days',
    world: 'days',
    row: `day = '2026-03-02'`,
    to: {
      account_key: '999',
      day: 'day + 10',
      opening: 'opening + 1, closing = closing + 1',
      credits: 'credits + 1, closing = closing + 1',
      debits: 'debits + 1, closing = closing - 1',
      closing: 'closing + 1, opening = opening + 1',
    },
  },
  {
    table: 'hub.integrations',
    world: 'integrations',
    row: 'true',
    to: { entry: `'webhook'`, status: `'delivered'` },
  },
  // Of versions that never were sealed, which are replaced by every commit, nothing is proved.
  {
    table: 'consolidation.day_versions',
    world: 'days',
    row: `sealed_at is not null and day = '2026-03-01'`,
    to: { account_key: '999', day: 'day + 10', version: '99' },
  },
];

/** What a row is to show. */
export function isShownBy({ table, only }: ProvedTable, column: string): boolean {
  if (only !== undefined) return only.includes(column);
  return !PROVED_TABLES.some((other) => other.table === table && other.only?.includes(column) === true);
}
