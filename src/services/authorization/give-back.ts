import { invariant } from '#kernel/fault.ts';
import type { Books } from '#services/ledger/contract.ts';
import type { PaymentSaga, RefundSaga } from './sagas.ts';

/** The money that was held for it is free again. That its hold is open is what the saga's state says (R5). */
export function giveBack({ uuid }: PaymentSaga | RefundSaga, books: Books): void {
  const released = books.release(uuid);
  invariant(released.ok, `the hold of ${uuid} ended otherwise than its saga`);
}
