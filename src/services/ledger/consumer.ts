/** Stage three: payment.authorized → the hold captured by its entry, entry.posted; or posting.refused. */
import type { EpochMs } from '#kernel/clock.ts';
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import { isInMoneyRange } from '#kernel/money.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { subjectsIn } from '#platform/log/own-effects.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { PaymentAuthorized } from '#services/authorization/contract.ts';
import type { Books } from './books.ts';
import type { Ledger } from './contract.ts';
import { entryIdOf } from './entry-id.ts';
import { postPayment } from './post-payment.ts';

interface Loaded {
  readonly books: Books;
  /** Of the payments that may be refused, those whose refusal is in the log already. */
  readonly refused: ReadonlySet<string>;
}

interface Plan extends ConsumerPlan {
  readonly books: Books;
  readonly now: EpochMs;
}

const NONE: ReadonlySet<string> = new Set();

export function ledgerConsumer(ledger: Ledger): Consumer<Loaded, Plan> {
  return {
    group: 'ledger',
    topics: ['authorization'],
    emits: 'ledger',
    handles: new Map([['payment.authorized', 1]]),
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const authorized = events as readonly LogEvent<PaymentAuthorized>[];
      const books = await openBooks(tx, ledger, authorized);
      const doubtful = authorized.filter((event) => mayBeRefused(books, event));
      const refused = doubtful.length === 0 ? NONE : await subjectsIn(tx, 'ledger', doubtful.map(subjectOf));
      return { books, refused };
    },
    decide({ books, refused }, events, now) {
      const authorized = events as readonly LogEvent<PaymentAuthorized>[];
      const drafts = authorized
        .filter((event) => !refused.has(event.subject))
        .flatMap((event) => postPayment(books, event, now) ?? []);
      return { drafts, books, now };
    },
    save: (tx, { books, now }) => ledger.saveBooks(tx, books, now),
  };
}

function openBooks(
  tx: Transaction,
  ledger: Ledger,
  events: readonly LogEvent<PaymentAuthorized>[],
): Promise<Books> {
  const payments = events.map((event) => uuidOf(event.subject as PaymentId));
  return ledger.openBooks(tx, {
    accounts: events.flatMap(({ tenant, data }) => [
      { tenant, id: data.wallet_id },
      { tenant, id: data.service_id },
    ]),
    holds: payments,
    entries: payments.map((payment) => entryIdOf(payment, 'payment')),
  });
}

/**
 * What was posted is found by its entry, at no cost; a refusal leaves no row, so its event is looked for (U3), but
 * only where the posting might be refused: on the happy path the log is not asked.
 */
function mayBeRefused(books: Books, { tenant, subject, data }: LogEvent<PaymentAuthorized>): boolean {
  const hold = books.findHold(uuidOf(subject as PaymentId));
  const payee = books.find(tenant, data.service_id);
  return (
    hold?.state !== 'open' ||
    payee?.status !== 'open' ||
    !isInMoneyRange(payee.postedMinor + BigInt(data.amount))
  );
}

function subjectOf(event: LogEvent): string {
  return event.subject;
}
