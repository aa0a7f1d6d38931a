/** Stage three: payment.authorized → the hold captured by its entry, entry.posted; or posting.refused. */
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { EpochMs } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { PaymentAuthorized } from '../authorization/contract.ts';
import type { Books, EntryDraft } from './books.ts';
import type { Ledger } from './contract.ts';
import { entryIdOf } from './entry-id.ts';
import { renderEntryPosted } from './render-events.ts';

interface Plan extends ConsumerPlan {
  readonly books: Books;
  readonly now: EpochMs;
}

export function ledgerConsumer(ledger: Ledger): Consumer<Books, Plan> {
  return {
    group: 'ledger',
    topics: ['authorization'],
    emits: 'ledger',
    handles: new Set(['payment.authorized']),
    paceMs: 8,
    load(tx, events) {
      const payments = events.map((event) => uuidOf(event.subject as PaymentId));
      return ledger.openBooks(tx, {
        accounts: events.flatMap((event) => {
          const { wallet_id, service_id } = event.data as PaymentAuthorized;
          return [
            { tenant: event.tenant, id: wallet_id },
            { tenant: event.tenant, id: service_id },
          ];
        }),
        holds: payments,
        entries: payments.map((payment) => entryIdOf(payment, 'payment')),
      });
    },
    decide(books, events, now) {
      const drafts = events.flatMap((event) => postPayment(books, event as LogEvent<PaymentAuthorized>, now) ?? []);
      return { drafts, books, now };
    },
    save: (tx, { books, now }) => ledger.saveBooks(tx, books, now),
  };
}

function postPayment(books: Books, event: LogEvent<PaymentAuthorized>, now: EpochMs): EventDraft | undefined {
  const payment = uuidOf(event.subject as PaymentId);
  const { wallet_id, service_id, amount } = event.data;
  const entry: EntryDraft = {
    id: entryIdOf(payment, 'payment'),
    tenant: event.tenant,
    cause: payment,
    purpose: 'payment',
    postings: [
      { accountId: wallet_id, amountMinor: -BigInt(amount) },
      { accountId: service_id, amountMinor: BigInt(amount) },
    ],
  };
  const posted = books.capture(payment, entry, now);
  if (!posted.ok) {
    const { code, detail } = posted.problem;
    return follow(event, { type: 'posting.refused', data: { payment_id: event.subject, code, detail } });
  }
  if (posted.value === 'already') return undefined;
  return follow(event, { type: 'entry.posted', data: renderEntryPosted(posted.value, event.subject) });
}
