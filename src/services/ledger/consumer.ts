/** Stage three: what the coordinator orders, posted: entry.posted, or posting.refused. */
import type { EpochMs } from '#kernel/clock.ts';
import { isInMoneyRange } from '#kernel/money.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import { eventIdentity } from '#platform/log/event.ts';
import { causationsIn } from '#platform/log/own-effects.ts';
import type { Books } from './books.ts';
import type { Ledger } from './contract.ts';
import { type PostingOrder, partiesOf, postFor, postingOrderOf } from './post-order.ts';

interface Loaded {
  readonly books: Books;
  /** Identities of events, of those that may be refused, that the log has the answer to already. */
  readonly answered: ReadonlySet<string>;
}

interface Plan extends ConsumerPlan {
  readonly books: Books;
  readonly now: EpochMs;
}

export const HANDLES: ReadonlyMap<string, number> = new Map([
  ['payment.authorized', 2],
  ['payment.charged', 1],
  ['payment.compensating', 1],
  ['refund.authorized', 1],
  ['refund.confirmed', 1],
]);

export function ledgerConsumer(ledger: Ledger): Consumer<Loaded, Plan> {
  return {
    group: 'ledger',
    topics: ['authorization'],
    emits: 'ledger',
    handles: HANDLES,
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const orders = events.flatMap((event) => postingOrderOf(event) ?? []);
      const books = await ledger.openBooks(tx, wantedBy(orders));
      const doubtful = orders.filter((order) => mayBeRefused(books, order)).map(({ event }) => event);
      const answered = await causationsIn(tx, 'ledger', doubtful);
      return { books, answered };
    },
    decide({ books, answered }, events, now) {
      const drafts = events
        .filter((event) => !answered.has(eventIdentity(event)))
        .flatMap((event) => postFor(books, event, now) ?? []);
      return { drafts, books, now };
    },
    save: (tx, { books, now }) => ledger.saveBooks(tx, books, now),
  };
}

/** What the books must hold for the orders to be decided. */
function wantedBy(orders: readonly PostingOrder[]): Parameters<Ledger['openBooks']>[1] {
  return {
    accounts: orders.flatMap(partiesOf),
    holds: orders.map(({ cause }) => cause),
    entries: orders.map(({ entryId }) => entryId),
  };
}

/**
 * What was posted is found by its entry, at no cost; a refusal leaves no row, so its event is looked for (U3), but
 * only where the posting might be refused: on the happy path the log is not asked.
 */
function mayBeRefused(
  books: Books,
  { event: { tenant }, purpose, cause, payee, amountMinor }: PostingOrder,
): boolean {
  const hold = books.findHold(cause);
  const receiver = books.find(tenant, payee);
  return (
    purpose === 'reversal' ||
    hold?.state !== 'open' ||
    receiver?.status !== 'open' ||
    !isInMoneyRange(receiver.postedMinor + amountMinor)
  );
}
