/**
 * Requests that change a payment as a batch: refunds, cancels, resolutions. One worker handles all three, because they
 * exclude each other.
 *
 * Order of locks (R3): the totals of the payments, ascending; then the idempotency keys; then new refunds, and totals
 * that had no row, ascending; then the log's heads. The totals come before the keys, because a key is stored with its
 * answer and the answer depends on them (ADR 0004). The status consumer locks totals ascending as well, and no key.
 *
 * C1: no more of a payment is promised than was captured, however many ask, in however many processes. Whoever
 *     promises holds the row of the payment's totals until its commit, and reads it in a later statement than the one
 *     that locked it (R2). Where there is no row yet, the primary key arbitrates: of two that insert it, the second
 *     meets a unique violation, and its batch is decided anew.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import { idOf, isId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { type Command, type CommandHandler, SANDBOX_ACTOR, type Verdict } from '#platform/batch/command.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { CancelOrder, ChangeOrder, RefundOrder, ResolutionOrder } from './change-orders.ts';
import type { ChangeablePayment } from './changeable-payment.ts';
import type { CancelRequested, ResolutionRequested } from './events.ts';
import { requestCancel, requestResolution } from './intervene.ts';
import { type Payment, renderPayment } from './payment.ts';
import { paymentKey, type Refund, renderRefund } from './refund.ts';
import { insertRefunds, insertTotals, loadChangeable, updateTotals } from './refund-store.ts';
import { refundRequested, requestRefund } from './request-refund.ts';

/** By `paymentKey`; what is not there does not exist for the tenant. */
type Targets = ReadonlyMap<string, ChangeablePayment>;

type ChangeVerdict = Verdict<Refund>;

export class PaymentChanges implements CommandHandler<ChangeOrder, Targets, Refund> {
  readonly #renderProblem: (problem: Problem) => Answer;

  constructor(options: { renderProblem: (problem: Problem) => Answer }) {
    this.#renderProblem = options.renderProblem;
  }

  load(tx: Transaction, commands: readonly Command<ChangeOrder>[]): Promise<Targets> {
    return loadChangeable(
      tx,
      commands.flatMap((command) => targetOf(command) ?? []),
    );
  }

  decide(targets: Targets, command: Command<ChangeOrder>, now: EpochMs): ChangeVerdict {
    const named = targetOf(command);
    const target = named === undefined ? undefined : targets.get(paymentKey(named));
    const { body } = command;
    switch (body.operation) {
      case 'refunds.create':
        return this.#refund(target, { ...command, body }, now);
      case 'payments.cancel':
        return this.#cancel(target, { ...command, body });
      case 'payments.resolve':
        return this.#resolve(target, { ...command, body }, now);
      default:
        return assertNever(body);
    }
  }

  save(tx: Transaction, refunds: readonly Refund[], targets: Targets): void {
    insertRefunds(tx, refunds);
    const changed = [...targets.values()].filter((target) => target.changed);
    insertTotals(
      tx,
      changed.filter(({ stored }) => !stored).map(({ totals }) => totals),
    );
    updateTotals(
      tx,
      changed.filter(({ stored }) => stored).map(({ totals }) => totals),
    );
  }

  #refund(target: ChangeablePayment | undefined, command: Command<RefundOrder>, now: EpochMs): ChangeVerdict {
    const { body, correlationId } = command;
    const uuid = uuidOf(command.id as RefundId);
    const decided = requestRefund(target, { uuid, order: body, correlationId }, now);
    if (!decided.ok) return this.#refusal(decided.problem);
    const { refund } = decided.value;
    return {
      answer: { status: 202, body: JSON.stringify(renderRefund(refund)) },
      effect: refund,
      drafts: [refundRequested(decided.value, command)],
    };
  }

  #cancel(target: ChangeablePayment | undefined, command: Command<CancelOrder>): ChangeVerdict {
    const decided = requestCancel(target, command.body);
    if (!decided.ok) return this.#refusal(decided.problem);
    const { payment, isNews } = decided.value;
    const data: CancelRequested = { actor: command.actor ?? SANDBOX_ACTOR };
    return taken(
      payment,
      isNews ? [intervention('payment.cancel_requested', { payment, command, data })] : [],
    );
  }

  #resolve(
    target: ChangeablePayment | undefined,
    command: Command<ResolutionOrder>,
    now: EpochMs,
  ): ChangeVerdict {
    const { outcome, reason, regarding = 'charge' } = command.body;
    const decided = requestResolution(target, command.body, now);
    if (!decided.ok) return this.#refusal(decided.problem);
    const { payment } = decided.value;
    const data: ResolutionRequested = { outcome, reason, actor: command.actor ?? SANDBOX_ACTOR, regarding };
    return taken(payment, [intervention('payment.resolution_requested', { payment, command, data })]);
  }

  #refusal(problem: Problem): ChangeVerdict {
    return { answer: this.#renderProblem(problem), effect: undefined, drafts: [] };
  }
}

/** Undefined if what stands in the address is no id of a payment. */
function targetOf({ tenant, body }: Command<ChangeOrder>): { tenant: string; uuid: string } | undefined {
  const { payment_id: id } = body;
  return isId('pay', id) ? { tenant, uuid: uuidOf(id) } : undefined;
}

/** The payment as it stands; what becomes of it is decided by the saga. */
function taken(payment: Payment, drafts: readonly EventDraft[]): ChangeVerdict {
  return {
    answer: { status: 202, body: JSON.stringify(renderPayment(payment)) },
    effect: undefined,
    drafts,
  };
}

function intervention<Data extends JsonObject>(
  type: string,
  { payment, command, data }: { payment: Payment; command: Command; data: Data },
): EventDraft<Data> {
  const { tenant, correlationId, requestId, traceparent } = command;
  return {
    type,
    version: 1,
    subject: idOf('pay', payment.uuid),
    tenant,
    key: payment.walletId,
    data,
    correlationId,
    causation: requestId,
    traceparent,
  };
}
