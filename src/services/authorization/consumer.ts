/** Stages two and four, and every compensation: the coordinator at work on batches. */
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Books, Ledger } from '#services/ledger/contract.ts';
import { coordinate, Sagas } from './coordinate.ts';
import { findSagas, insertSagas, updateSagas } from './store.ts';

interface Loaded {
  readonly sagas: Sagas;
  readonly books: Books;
}

interface Plan extends ConsumerPlan, Loaded {
  readonly now: number;
}

export const HANDLES: ReadonlyMap<string, number> = new Map([
  ['payment.validated', 1],
  ['entry.posted', 1],
  ['posting.refused', 1],
]);
/** Events whose answer moves money, and so needs the wallet locked. The wallet is the event's key. */
const MOVES_MONEY = new Set(['payment.validated', 'posting.refused']);

export function authorizationConsumer(ledger: Ledger): Consumer<Loaded, Plan> {
  return {
    group: 'authorization',
    // What is further along goes first, so that a backlog drains from its end.
    topics: ['ledger', 'validation'],
    emits: 'authorization',
    handles: HANDLES,
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const payments = events.filter(isOfPayment);
      const holders = payments.filter((event) => MOVES_MONEY.has(event.type));
      const [known, books] = await Promise.all([
        findSagas(
          tx,
          payments.map((event) => uuidOf(event.subject as PaymentId)),
        ),
        ledger.openBooks(tx, {
          accounts: holders.map((event) => ({ tenant: event.tenant, id: event.key })),
          holds: holders.map((event) => uuidOf(event.subject as PaymentId)),
        }),
      ]);
      return { sagas: new Sagas(known), books };
    },
    decide({ sagas, books }, events, now) {
      const drafts = events.filter(isOfPayment).flatMap((event) => coordinate(event, sagas, books) ?? []);
      return { drafts, sagas, books, now };
    },
    save(tx, { sagas, books, now }) {
      const { begun, moved } = sagas.changes();
      insertSagas(tx, begun, now);
      updateSagas(tx, moved, now);
      ledger.saveBooks(tx, books, now);
    },
  };
}

/** The ledger's log has entries of other causes too. */
export function isOfPayment(event: LogEvent): boolean {
  return event.subject.startsWith('pay_');
}
