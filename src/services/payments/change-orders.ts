/**
 * What callers may order of a payment that exists: the bodies of those commands, told apart by their operation, which is
 * also the scope of their idempotency keys. The payment's id is a member like the others: the same key for another
 * payment is another request under a used key, and the refusal names `/payment_id`.
 */
export interface RefundOrder {
  readonly operation: 'refunds.create';
  /** As it stands in the address; whether it is an id shows when it is looked up. */
  readonly payment_id: string;
  /** Minor units, 1 … 2^53−1; absent: all that is left. */
  readonly amount?: number;
  /** The payment's, if it is given at all. */
  readonly currency?: string;
  readonly reason?: string | null;
}

export interface CancelOrder {
  readonly operation: 'payments.cancel';
  readonly payment_id: string;
}

export interface ResolutionOrder {
  readonly operation: 'payments.resolve';
  readonly payment_id: string;
  /** What a person found out about the charge. */
  readonly outcome: 'charged' | 'not_charged';
  readonly reason: string;
  /**
   * What the person has seen: a charge of unknown outcome, which is what is meant if nothing is said, or a payment that
   * was completed. Between their looking and their saying a late answer may have completed it.
   */
  readonly regarding?: 'charge' | 'completion';
}

export type ChangeOrder = RefundOrder | CancelOrder | ResolutionOrder;
