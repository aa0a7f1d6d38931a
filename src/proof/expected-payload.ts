/** What is told of an ending: the payload as it is signed and sent, byte for byte. */
import { isCurrency } from '#kernel/currencies.ts';
import { formatMoney } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { refundedPaymentOf, type Terms, termsOf, textOf } from './event-data.ts';
import type { ExpectedNotification } from './expected-rows.ts';
import { instantText } from './instant-text.ts';

/** Undefined if the event that it tells of is not there, or cannot be read. */
export function expectedPayload({ subject, ending, corrects }: ExpectedNotification): JsonObject | undefined {
  const terms = ending?.data && termsOf(ending.data);
  if (ending?.data === undefined || terms === undefined) return undefined;
  return {
    type: ending.type,
    timestamp: instantText(ending.at),
    data: {
      ...idsOf(subject, ending.data),
      ...toldTerms(terms),
      failure: failureOf(ending.data),
      ...(corrects === null ? {} : { corrects }),
      correlation_id: ending.correlationId ?? null,
    },
  };
}

/** A refund is told of with the payment that it gives back. */
function idsOf(subject: string, data: JsonObject): JsonObject {
  if (!subject.startsWith('ref_')) return { payment_id: subject };
  return { refund_id: subject, payment_id: refundedPaymentOf(data) ?? null };
}

function toldTerms({ walletId, serviceId, amountMinor, currency, method }: Terms): JsonObject {
  return {
    wallet_id: walletId,
    service_id: serviceId,
    amount: amountMinor,
    currency,
    amount_text: isCurrency(currency) ? formatMoney(BigInt(amountMinor), currency) : null,
    method,
  };
}

function failureOf({ code, detail }: JsonObject): JsonObject | null {
  return code === undefined ? null : { code: textOf(code), detail: textOf(detail) };
}
