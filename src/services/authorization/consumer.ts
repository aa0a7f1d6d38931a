/** The coordinator at work on batches: every decision about a payment or a refund, and every compensation. */
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { coordinate } from './coordinate.ts';
import { loadTurn } from './load-turn.ts';
import { saveSagas } from './store.ts';
import type { Turn } from './turn.ts';

interface Plan extends ConsumerPlan {
  readonly turn: Turn;
}

export const HANDLES: ReadonlyMap<string, number> = new Map([
  ['payment.validated', 2],
  ['payment.cancel_admitted', 1],
  ['payment.resolution_admitted', 1],
  ['refund.validated', 1],
  ['entry.posted', 3],
  ['posting.refused', 2],
  ['provider.approved', 1],
  ['provider.declined', 1],
  ['provider.exhausted', 1],
  ['provider.cancelled', 1],
  ['provider.unresolved', 1],
  ['provider.resolved', 1],
  ['provider.refunded', 3],
  ['provider.refund_refused', 1],
  ['provider.refund_unresolved', 1],
]);

export function authorizationConsumer(ledger: Ledger): Consumer<Omit<Turn, 'now'>, Plan> {
  return {
    group: 'authorization',
    // What is further along goes first, so that a backlog drains from its end.
    topics: ['ledger', 'providers', 'validation'],
    emits: 'authorization',
    handles: HANDLES,
    paceMs: AWAITED_PACE_MS,
    load: (tx, events) => loadTurn(tx, ledger, events.filter(isCoordinated)),
    decide(loaded, events, now) {
      const turn = { ...loaded, now };
      const drafts = events.filter(isCoordinated).flatMap((event) => coordinate(event, turn) ?? []);
      return { drafts, turn };
    },
    save(tx, { turn }) {
      saveSagas(tx, turn.sagas.changes(), turn.now);
      ledger.saveBooks(tx, turn.books, turn.now);
    },
  };
}

/** The ledger's log has entries of other causes too. */
export function isCoordinated({ subject }: LogEvent): boolean {
  return subject.startsWith('pay_') || subject.startsWith('ref_');
}
