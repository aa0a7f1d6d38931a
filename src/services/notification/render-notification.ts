import { toRfc3339 } from '#kernel/clock.ts';
import type { Currency } from '#kernel/currencies.ts';
import { isId } from '#kernel/ids.ts';
import { formatMoney } from '#kernel/money.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { RefundTerms } from '#services/payments/contract.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';

/**
 * The payload as it will be signed and sent (STANDARDS §7): type, time of the event, data. Exact bytes, stored.
 * `corrects`: the type of the notification that this one takes back, if it does.
 */
export function renderNotification(event: LogEvent, corrects?: string): string {
  const { wallet_id, service_id, amount, currency, method } = event.data as PaymentTerms;
  const { code, detail } = event.data as { code?: string; detail?: string };
  return JSON.stringify({
    type: event.type,
    timestamp: toRfc3339(event.occurredAt),
    data: {
      ...subjectOf(event),
      wallet_id,
      service_id,
      amount,
      currency,
      amount_text: formatMoney(BigInt(amount), currency as Currency),
      method,
      failure: code === undefined ? null : { code, detail },
      ...(corrects === undefined ? {} : { corrects }),
      correlation_id: event.correlationId,
    },
  });
}

/** A refund names its payment too. */
function subjectOf({ subject, data }: LogEvent): JsonObject {
  if (!isId('ref', subject)) return { payment_id: subject };
  return { refund_id: subject, payment_id: (data as RefundTerms).payment_id };
}
