/** The sagas of a batch, and what became of them. */
import type { Compensation } from '#sagas/saga.ts';
import type { RefundTerms } from '#services/payments/contract.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';

export type PaymentState =
  | 'authorized'
  /** The provider has charged, the ledger has not answered. */
  | 'charged'
  /** To be called off, if it is not too late. */
  | 'cancelling'
  /** A person has to find out what became of the charge. */
  | 'reconciling'
  /** A person has said so, and the providers have to agree. */
  | 'resolving'
  /** Likewise of a completed payment, or of a compensation that failed: nothing is charged any more. */
  | 'revoking'
  | 'compensating'
  /** A compensation that failed waits for a person. */
  | 'parked'
  | 'completed'
  | 'declined'
  | 'failed'
  | 'cancelled'
  | 'compensated';

export type RefundState =
  | 'authorized'
  /** The provider has given the amount back, the ledger has not answered. */
  | 'confirmed'
  /** A person has to find out whether the provider has given anything back. */
  | 'reconciling'
  /** It has, and the ledger refused to post it: that waits for a person. */
  | 'parked'
  | 'completed'
  | 'declined'
  | 'failed';

export interface PaymentSaga {
  readonly uuid: string;
  /** `payment.balance/1`. */
  readonly definition: string;
  readonly state: PaymentState;
  readonly terms: PaymentTerms;
}

export interface RefundSaga {
  readonly uuid: string;
  readonly definition: string;
  readonly state: RefundState;
  readonly terms: RefundTerms;
}

/** What of a payment is still to be undone, and why. */
export interface OpenCompensation {
  readonly paymentUuid: string;
  /** The next one first; it is under way, or waits. */
  readonly steps: readonly Compensation[];
  readonly code: string;
  readonly detail: string;
  /** How often the step has failed. */
  readonly failures: number;
  /** When it is asked for again, if it is to be. */
  readonly retryAt: number | null;
  /** What the event that asks again is made of, as JSON. */
  readonly ask: string | null;
}

interface Rows<Row> {
  readonly known: Map<string, Row>;
  readonly begun: Map<string, Row>;
  readonly moved: Map<string, Row>;
}

export class Sagas {
  readonly #payments: Rows<PaymentSaga>;
  readonly #refunds: Rows<RefundSaga>;
  readonly #compensations: Map<string, OpenCompensation>;
  readonly #compensated = new Map<string, OpenCompensation | undefined>();

  constructor(
    known: {
      readonly payments?: Map<string, PaymentSaga>;
      readonly refunds?: Map<string, RefundSaga>;
      readonly compensations?: Map<string, OpenCompensation>;
    } = {},
  ) {
    this.#payments = rowsOf(known.payments);
    this.#refunds = rowsOf(known.refunds);
    this.#compensations = known.compensations ?? new Map<string, OpenCompensation>();
  }

  findPayment(uuid: string): PaymentSaga | undefined {
    return this.#payments.known.get(uuid);
  }

  findRefund(uuid: string): RefundSaga | undefined {
    return this.#refunds.known.get(uuid);
  }

  beginPayment(saga: PaymentSaga): void {
    begin(this.#payments, saga);
  }

  beginRefund(saga: RefundSaga): void {
    begin(this.#refunds, saga);
  }

  movePayment(saga: PaymentSaga, state: PaymentState): void {
    move(this.#payments, { ...saga, state });
  }

  moveRefund(saga: RefundSaga, state: RefundState): void {
    move(this.#refunds, { ...saga, state });
  }

  findCompensation(paymentUuid: string): OpenCompensation | undefined {
    return this.#compensations.get(paymentUuid);
  }

  keepCompensation(compensation: OpenCompensation): void {
    this.#compensations.set(compensation.paymentUuid, compensation);
    this.#compensated.set(compensation.paymentUuid, compensation);
  }

  endCompensation(paymentUuid: string): void {
    this.#compensations.delete(paymentUuid);
    this.#compensated.set(paymentUuid, undefined);
  }

  changes(): SagaChanges {
    const compensations = [...this.#compensated];
    return {
      begun: [...this.#payments.begun.values()],
      moved: [...this.#payments.moved.values()],
      refundsBegun: [...this.#refunds.begun.values()],
      refundsMoved: [...this.#refunds.moved.values()],
      compensationsKept: compensations.flatMap(([, kept]) => kept ?? []),
      compensationsEnded: compensations.flatMap(([uuid, kept]) => (kept === undefined ? uuid : [])),
    };
  }
}

export interface SagaChanges {
  readonly begun: readonly PaymentSaga[];
  readonly moved: readonly PaymentSaga[];
  readonly refundsBegun: readonly RefundSaga[];
  readonly refundsMoved: readonly RefundSaga[];
  readonly compensationsKept: readonly OpenCompensation[];
  readonly compensationsEnded: readonly string[];
}

function rowsOf<Row>(known: Map<string, Row> | undefined): Rows<Row> {
  return { known: known ?? new Map<string, Row>(), begun: new Map(), moved: new Map() };
}

function begin<Row extends { readonly uuid: string }>(rows: Rows<Row>, row: Row): void {
  rows.known.set(row.uuid, row);
  rows.begun.set(row.uuid, row);
}

/** A saga begun in this batch is written once, in the state it ends the batch with. */
function move<Row extends { readonly uuid: string }>(rows: Rows<Row>, row: Row): void {
  rows.known.set(row.uuid, row);
  (rows.begun.has(row.uuid) ? rows.begun : rows.moved).set(row.uuid, row);
}
