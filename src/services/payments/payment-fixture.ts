/** A payment, its totals and events about it, for the tests of what is decided about them. */
import { idOf } from '#kernel/ids.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { Payment } from './payment.ts';
import type { RefundTotals } from './refund.ts';

export const NOW = Date.UTC(2026, 10, 20, 12);
export const PAYMENT_UUID = '0198a2b4-0000-7000-8000-000000000001';
export const REFUND_UUID = '0198a2b4-0000-7000-8000-000000000002';

export const completedPayment: Payment = {
  tenant: 'acme',
  uuid: PAYMENT_UUID,
  walletId: 'wallet',
  serviceId: 'service',
  amountMinor: 100n,
  currency: 'USD',
  method: 'balance',
  reference: null,
  description: null,
  metadata: null,
  status: 'completed',
  failure: null,
  refundedMinor: 0n,
  correlationId: 'cor_1',
  createdAt: NOW,
  updatedAt: NOW,
};

export const noTotals: RefundTotals = {
  tenant: 'acme',
  paymentUuid: PAYMENT_UUID,
  capturedMinor: 100n,
  promisedMinor: 0n,
  refundedMinor: 0n,
  undoRequestedAt: null,
};

/** An event of the coordinator's about the payment, at a place of its log. */
export function eventAt(position: number, type: string, more: Partial<LogEvent> = {}): LogEvent {
  const data: JsonObject = {
    payment_id: idOf('pay', PAYMENT_UUID),
    wallet_id: 'wallet',
    service_id: 'service',
    amount: 100,
    currency: 'USD',
    method: 'balance',
    ...more.data,
  };
  return {
    topic: 'authorization',
    partition: 0,
    position,
    type,
    version: 1,
    subject: type.startsWith('refund.') ? idOf('ref', REFUND_UUID) : idOf('pay', PAYMENT_UUID),
    tenant: 'acme',
    key: 'wallet',
    occurredAt: NOW + position,
    correlationId: 'cor_1',
    causation: 'validation/0/1',
    traceparent: null,
    ...more,
    data,
  };
}
