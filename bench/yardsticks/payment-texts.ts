/** Everything that a completed payment leaves in text, in the shapes and so the sizes that the product writes. */
import type { PaymentId } from '#kernel/ids.ts';
import { idOf } from '#kernel/ids.ts';

export interface PaymentFacts {
  readonly uuid: string;
  readonly id: PaymentId;
  readonly notificationUuid: string;
  readonly walletId: string;
  readonly serviceId: string;
  readonly amount: number;
  readonly walletAfter: number;
  readonly serviceAfter: number;
  readonly walletSequence: number;
  readonly serviceSequence: number;
  readonly correlationId: string;
  readonly at: string;
}

const CURRENCY = 'USD';
const METHOD = 'balance';

export function requestText(payment: PaymentFacts): string {
  return JSON.stringify(termsOf(payment));
}

export function answerText(payment: PaymentFacts): string {
  return JSON.stringify({
    id: payment.id,
    status: 'pending',
    ...termsOf(payment),
    reference: null,
    description: null,
    metadata: null,
    refunded: 0,
    failure: null,
    created_at: payment.at,
    updated_at: payment.at,
  });
}

export function requestedText(payment: PaymentFacts): string {
  return JSON.stringify({ ...termsOf(payment), reference: null, description: null, metadata: null });
}

export function validatedText(payment: PaymentFacts): string {
  return JSON.stringify(termsOf(payment));
}

export function authorizedText(payment: PaymentFacts): string {
  return JSON.stringify({ ...termsOf(payment), hold_id: idOf('hld', payment.uuid) });
}

export function postedText(payment: PaymentFacts): string {
  const { amount, at } = payment;
  return JSON.stringify({
    entry_id: idOf('jen', payment.uuid),
    cause: payment.id,
    purpose: 'payment',
    postings: [
      {
        account_id: payment.walletId,
        direction: 'debit',
        amount,
        currency: CURRENCY,
        sequence: payment.walletSequence,
        posted_after: payment.walletAfter,
        posted_at: at,
      },
      {
        account_id: payment.serviceId,
        direction: 'credit',
        amount,
        currency: CURRENCY,
        sequence: payment.serviceSequence,
        posted_after: payment.serviceAfter,
        posted_at: at,
      },
    ],
  });
}

export function completedText(payment: PaymentFacts): string {
  return JSON.stringify({ ...termsOf(payment), entry_id: idOf('jen', payment.uuid) });
}

export function queuedText(payment: PaymentFacts): string {
  return JSON.stringify({
    notification_id: idOf('ntf', payment.notificationUuid),
    about: 'payment.completed',
  });
}

export function notificationText(payment: PaymentFacts): string {
  return JSON.stringify({
    type: 'payment.completed',
    timestamp: payment.at,
    data: {
      payment_id: payment.id,
      ...termsOf(payment),
      amount_text: `${(payment.amount / 100).toFixed(2)} ${CURRENCY}`,
      failure: null,
      correlation_id: payment.correlationId,
    },
  });
}

/** `identities`: of the payment's six events, in causal order. */
export function stagesText(identities: readonly string[], atMs: number): string {
  const types = [
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'entry.posted',
    'payment.completed',
    'notification.queued',
  ];
  return JSON.stringify(types.map((type, index) => [type, identities[index], atMs]));
}

function termsOf(payment: PaymentFacts) {
  return {
    wallet_id: payment.walletId,
    service_id: payment.serviceId,
    amount: payment.amount,
    currency: CURRENCY,
    method: METHOD,
  };
}
