/** Intake: a payment order is refused at once, or accepted as pending; the saga decides the rest (DESIGN §6). */
import type { EpochMs } from '#kernel/clock.ts';
import { isCurrency } from '#kernel/currencies.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { type PaymentRequested, termsVersion } from './events.ts';
import type { Payment, PaymentOrder } from './payment.ts';
import type { PaymentProblemCode } from './problems.ts';

export interface PaymentRequest {
  readonly tenant: string;
  /** The payment's uuid, made when the request arrived: ids are inputs. */
  readonly uuid: string;
  readonly order: PaymentOrder;
  /** Whether there is a provider to pay through; default no. */
  readonly gateways?: boolean;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

/** References taken, as `referenceKey` → the payment's uuid. */
export type TakenReferences = Map<string, string>;

export function referenceKey(
  tenant: string,
  order: Pick<PaymentOrder, 'wallet_id' | 'service_id' | 'reference'>,
): string | undefined {
  if (order.reference === undefined || order.reference === null) return undefined;
  // Neither tenants nor account ids contain a slash, so the reference may contain anything.
  return `${tenant}/${order.wallet_id}/${order.service_id}/${order.reference}`;
}

/** Takes the order's reference in `taken` when it accepts, so that the next order of the batch finds it. */
export function requestPayment(
  taken: TakenReferences,
  request: PaymentRequest,
  now: EpochMs,
): Decision<Payment, Problem<PaymentProblemCode>> {
  const { order } = request;
  const obstacle = obstacleTo(taken, request);
  if (obstacle !== undefined) return refused(obstacle);
  const reference = referenceKey(request.tenant, order);
  if (reference !== undefined) taken.set(reference, request.uuid);
  return accepted({
    tenant: request.tenant,
    uuid: request.uuid,
    walletId: order.wallet_id,
    serviceId: order.service_id,
    amountMinor: BigInt(order.amount),
    currency: order.currency,
    method: order.method,
    reference: order.reference ?? null,
    description: order.description ?? null,
    metadata: order.metadata ?? null,
    status: 'pending',
    failure: null,
    refundedMinor: 0n,
    correlationId: request.correlationId,
    createdAt: now,
    updatedAt: now,
  });
}

function obstacleTo(
  taken: TakenReferences,
  { tenant, order, gateways = false }: PaymentRequest,
): Problem<PaymentProblemCode> | undefined {
  if (!isCurrency(order.currency)) {
    const detail = `${order.currency} is not an active ISO 4217 code.`;
    return problem('payments.unknown_currency', detail, {
      errors: [{ pointer: '/currency', code: 'unknown', detail }],
    });
  }
  if (order.wallet_id === order.service_id) {
    const detail = `${order.wallet_id} cannot pay itself.`;
    return problem('payments.same_account', detail, {
      errors: [{ pointer: '/service_id', code: 'same_account', detail }],
    });
  }
  if (order.method === 'gateway' && !gateways) {
    const detail = `Method ${order.method} has no provider here.`;
    return problem('payments.method_unavailable', detail, {
      errors: [{ pointer: '/method', code: 'unavailable', detail }],
    });
  }
  const reference = referenceKey(tenant, order);
  const holder = reference === undefined ? undefined : taken.get(reference);
  if (holder === undefined) return undefined;
  const id = idOf('pay', holder);
  return problem('payments.duplicate_reference', `Payment ${id} has reference ${order.reference}.`, {
    errors: [{ pointer: '/reference', code: 'duplicate', detail: `taken by ${id}` }],
    members: { payment_id: id },
  });
}

export function paymentRequested(
  payment: Payment,
  cause: { requestId: string; traceparent: string | null },
): EventDraft<PaymentRequested> {
  return {
    type: 'payment.requested',
    version: termsVersion(payment),
    subject: idOf('pay', payment.uuid),
    tenant: payment.tenant,
    key: payment.walletId,
    data: {
      wallet_id: payment.walletId,
      service_id: payment.serviceId,
      amount: Number(payment.amountMinor),
      currency: payment.currency,
      method: payment.method,
      reference: payment.reference,
      description: payment.description,
      metadata: payment.metadata,
    },
    correlationId: payment.correlationId,
    causation: cause.requestId,
    traceparent: cause.traceparent,
  };
}
