import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import type { EntryPosted } from '#services/ledger/contract.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';
import type { SeenEvent } from './follow-saga.ts';

/** The types a saga is judged by: its beginning, and what ends each stage. */
export const SAGA_EVENTS: readonly string[] = [
  balancePayment.begins,
  ...balancePayment.stages.flatMap((stage) => [stage.success, ...stage.failures]),
];

export function seenEvent(event: LogEvent): SeenEvent {
  return {
    type: event.type,
    identity: eventIdentity(event),
    at: event.occurredAt,
    causation: event.causation,
    terms: termsOf(event),
  };
}

/** Payer, payee, amount and currency as one text, from the event's terms or from the two postings of its entry. */
function termsOf(event: LogEvent): string | null {
  if (event.type === 'entry.posted') return termsOfEntry(event.data as EntryPosted);
  const terms = event.data as Partial<PaymentTerms>;
  if (terms.wallet_id === undefined) return null;
  return `${terms.wallet_id} ${terms.service_id} ${terms.amount} ${terms.currency}`;
}

function termsOfEntry({ postings }: EntryPosted): string {
  const debit = postings.find((posting) => posting.direction === 'debit');
  const credit = postings.find((posting) => posting.direction === 'credit');
  if (debit?.amount !== credit?.amount || postings.length !== 2)
    return `${postings.length} postings that do not match`;
  return `${debit?.account_id} ${credit?.account_id} ${debit?.amount} ${debit?.currency}`;
}
