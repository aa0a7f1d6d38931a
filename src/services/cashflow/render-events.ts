/** The events of a cash entry from what was decided. */
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { DraftElsewhere } from '#platform/batch/command.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { renderAccountOpened, renderEntryPosted } from '#services/ledger/contract.ts';
import type { CashEntry } from './cash-entry.ts';
import type { CashEntryRecorded, CashEntryReversed } from './events.ts';
import type { Recorded } from './record-cash-entry.ts';

/** Who asked, as the events of it tell. */
export interface Origin {
  readonly correlationId: string;
  readonly causation: string;
  readonly traceparent: string | null;
}

/** Who reads older versions knows no cash entries. */
const ENTRY_POSTED_VERSION = 3;

/** `cash_entry.recorded` or `cash_entry.reversed`. In the account's partition. */
export function cashEntryEvent({ cashEntry }: Recorded, origin: Origin): EventDraft {
  const { tenant, uuid, accountId, reverses } = cashEntry;
  const told = { version: 1, tenant, key: accountId, ...origin };
  if (reverses === null)
    return {
      ...told,
      type: 'cash_entry.recorded',
      subject: idOf('cen', uuid),
      data: recordedData(cashEntry),
    };
  const data: CashEntryReversed = { reversal_id: idOf('cen', uuid), ...dataOf(cashEntry) };
  return { ...told, type: 'cash_entry.reversed', subject: idOf('cen', reverses), data };
}

function recordedData(cashEntry: CashEntry): CashEntryRecorded {
  const { source } = cashEntry;
  if (source === null) return dataOf(cashEntry);
  return { ...dataOf(cashEntry), import: { import_id: idOf('imp', source.importUuid), line: source.line } };
}

function dataOf(cashEntry: CashEntry) {
  return {
    entry_id: idOf('jen', cashEntry.uuid),
    account_id: cashEntry.accountId,
    contra_account_id: cashEntry.contraAccountId,
    direction: cashEntry.direction,
    amount: renderAmount(cashEntry.amountMinor),
    currency: cashEntry.currency,
    occurred_on: cashEntry.occurredOn,
    description: cashEntry.description,
    category: cashEntry.category,
  };
}

/** What the ledger's log tells of it: the journal entry, in the partition of the cash book, and an account that is new. */
export function ledgerEvents({ cashEntry, entry, opened }: Recorded, origin: Origin): DraftElsewhere[] {
  const { tenant, uuid, accountId } = cashEntry;
  const subject = idOf('cen', uuid);
  const posted = {
    type: 'entry.posted',
    version: ENTRY_POSTED_VERSION,
    subject,
    tenant,
    key: accountId,
    data: renderEntryPosted(entry, subject),
    ...origin,
  };
  if (opened === undefined) return [{ topic: 'ledger', draft: posted }];
  const { id } = opened.account;
  const account = {
    type: 'account.opened',
    version: 1,
    subject: id,
    tenant,
    key: id,
    data: renderAccountOpened(opened),
    ...origin,
  };
  return [
    { topic: 'ledger', draft: account },
    { topic: 'ledger', draft: posted },
  ];
}
