/** Stage three: the hold of an authorized payment, captured by its journal entry. */
import type { EpochMs } from '#kernel/clock.ts';
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { PaymentAuthorized } from '#services/authorization/contract.ts';
import type { Books, EntryDraft } from './books.ts';
import { entryIdOf } from './entry-id.ts';
import type { PostingRefused } from './events.ts';
import { renderEntryPosted } from './render-events.ts';

/** `entry.posted`, or `posting.refused`; nothing if it was posted before (U3). Changes the books. */
export function postPayment(
  books: Books,
  event: LogEvent<PaymentAuthorized>,
  now: EpochMs,
): EventDraft | undefined {
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
    const data: PostingRefused = { payment_id: event.subject, code, detail };
    return follow(event, { type: 'posting.refused', data });
  }
  if (posted.value === 'already') return undefined;
  return follow(event, { type: 'entry.posted', data: renderEntryPosted(posted.value, event.subject) });
}
