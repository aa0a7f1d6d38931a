/**
 * What the coordinator orders of the ledger, one entry for each: a payment (stage three), a refund, and the counter-entry
 * of a payment that is undone. A payment and a refund capture the hold that was placed for them.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { PaymentCompensating } from '#services/authorization/contract.ts';
import type { Books, EntryDraft } from './books.ts';
import type { AccountRef } from './contract.ts';
import { type EntryPurpose, entryIdOf } from './entry-id.ts';
import type { PostingRefused } from './events.ts';
import { renderEntryPosted } from './render-events.ts';

/** Of a payment's terms and of a refund's. */
type Terms = {
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly method: 'balance' | 'gateway';
};

type OrderedPurpose = Extract<EntryPurpose, 'payment' | 'refund' | 'reversal'>;

export interface PostingOrder {
  readonly event: LogEvent;
  readonly purpose: OrderedPurpose;
  /** What is posted for, and whose hold it captures. */
  readonly cause: string;
  readonly entryId: string;
  readonly payer: string;
  readonly payee: string;
  readonly amountMinor: bigint;
}

/** Undefined for events that order nothing: a payment through a gateway is posted once it is charged. */
export function postingOrderOf(event: LogEvent): PostingOrder | undefined {
  const { wallet_id: wallet, service_id: service, amount, method } = event.data as Terms;
  const purpose = purposeOf(event, method);
  if (purpose === undefined) return undefined;
  const cause = uuidOf(event.subject as PaymentId | RefundId);
  const [payer, payee] = purpose === 'payment' ? [wallet, service] : [service, wallet];
  return {
    event,
    purpose,
    cause,
    entryId: entryIdOf(cause, purpose),
    payer,
    payee,
    amountMinor: BigInt(amount),
  };
}

function purposeOf({ type, data }: LogEvent, method: Terms['method']): PostingOrder['purpose'] | undefined {
  switch (type) {
    case 'payment.authorized':
      return method === 'balance' ? 'payment' : undefined;
    case 'payment.charged':
      return 'payment';
    case 'refund.authorized':
      return method === 'balance' ? 'refund' : undefined;
    case 'refund.confirmed':
      return 'refund';
    case 'payment.compensating':
      return (data as Partial<PaymentCompensating>).step === 'reverse_posting' ? 'reversal' : undefined;
    default:
      return undefined;
  }
}

export function partiesOf({ event: { tenant }, payer, payee }: PostingOrder): AccountRef[] {
  return [
    { tenant, id: payer },
    { tenant, id: payee },
  ];
}

/** `entry.posted`, or `posting.refused`; nothing if it was posted before (U3). Changes the books. */
function postOrder(books: Books, order: PostingOrder, now: EpochMs): EventDraft | undefined {
  const { event, purpose, cause, payer, payee, amountMinor } = order;
  const entry: EntryDraft = {
    id: order.entryId,
    tenant: event.tenant,
    cause,
    purpose,
    postings: [
      { accountId: payer, amountMinor: -amountMinor },
      { accountId: payee, amountMinor },
    ],
  };
  const posted = purpose === 'reversal' ? books.post(entry, now) : books.capture(cause, entry, now);
  if (!posted.ok) return refusalOf(order, posted.problem);
  if (posted.value === 'already') return undefined;
  // Who reads version 1 knows no refunds.
  const version = purpose === 'refund' ? 2 : 1;
  return follow(event, {
    type: 'entry.posted',
    version,
    data: renderEntryPosted(posted.value, event.subject),
  });
}

function refusalOf(
  { event, purpose }: PostingOrder,
  { code, detail }: { readonly code: string; readonly detail: string },
): EventDraft {
  const about = event.subject.startsWith('pay_') ? { payment_id: event.subject } : {};
  const data: PostingRefused =
    purpose === 'payment' ? { ...about, code, detail } : { ...about, purpose, code, detail };
  return follow(event, { type: 'posting.refused', version: purpose === 'payment' ? 1 : 2, data });
}

/** What an event orders, posted; nothing for one that orders nothing. */
export function postFor(books: Books, event: LogEvent, now: EpochMs): EventDraft | undefined {
  const order = postingOrderOf(event);
  return order === undefined ? undefined : postOrder(books, order, now);
}
