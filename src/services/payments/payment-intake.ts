/** The payments a batch of requests asks for: what is loaded, decided and written (P3, U1, U2). */
import type { EpochMs } from '#kernel/clock.ts';
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command, CommandHandler, Verdict } from '#platform/batch/command.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { type Payment, type PaymentOrder, renderPayment } from './payment.ts';
import { paymentRequested, requestPayment, type TakenReferences } from './request-payment.ts';
import { findReferences, insertPayments } from './store.ts';

export const REQUEST_PAYMENT = 'payments.create';

export class PaymentIntake implements CommandHandler<PaymentOrder, TakenReferences, Payment> {
  readonly #renderProblem: (problem: Problem) => Answer;
  readonly #gateways: boolean;

  /** `gateways`: whether the installation has providers to pay through; default no. */
  constructor(options: { renderProblem: (problem: Problem) => Answer; gateways?: boolean }) {
    this.#renderProblem = options.renderProblem;
    this.#gateways = options.gateways ?? false;
  }

  load(tx: Transaction, commands: readonly Command<PaymentOrder>[]): Promise<TakenReferences> {
    return findReferences(
      tx,
      commands.map(({ tenant, body }) => ({ tenant, order: body })),
    );
  }

  decide(taken: TakenReferences, command: Command<PaymentOrder>, now: EpochMs): Verdict<Payment> {
    const { tenant, correlationId, traceparent } = command;
    const uuid = uuidOf(command.id as PaymentId);
    const decision = requestPayment(
      taken,
      { tenant, uuid, order: command.body, gateways: this.#gateways, correlationId, traceparent },
      now,
    );
    if (!decision.ok) return { answer: this.#renderProblem(decision.problem), effect: undefined, drafts: [] };
    const payment = decision.value;
    return {
      answer: { status: 202, body: JSON.stringify(renderPayment(payment)) },
      effect: payment,
      drafts: [paymentRequested(payment, { requestId: command.requestId, traceparent })],
    };
  }

  save(tx: Transaction, payments: readonly Payment[], _taken: TakenReferences, now: EpochMs): void {
    insertPayments(tx, payments, now);
  }
}
