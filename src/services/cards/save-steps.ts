/** What was given back, or spent of what was held, as it is written. */
import type { Transaction } from '#platform/postgres/session.ts';
import { settleUnconfirmed } from './confirmation-store.ts';
import type { Step } from './give-back.ts';
import { deleteOpenHolds } from './hold-store.ts';
import { updateCardTransactions } from './store.ts';

/** Of several steps of one card transaction the last is written. */
export function saveSteps(tx: Transaction, steps: readonly Step[]): void {
  const last = new Map(steps.map(({ after }) => [`${after.tenant}/${after.uuid}`, after]));
  const after = [...last.values()];
  updateCardTransactions(tx, after);
  settleUnconfirmed(tx, after);
  deleteOpenHolds(
    tx,
    steps.filter(({ kind }) => kind !== 'reversed').map((step) => step.after),
  );
}
