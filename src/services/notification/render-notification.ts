import { toRfc3339 } from '#kernel/clock.ts';
import type { Currency } from '#kernel/currencies.ts';
import { formatMoney } from '#kernel/money.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';

/** The payload as it will be signed and sent (STANDARDS §7): type, time of the event, data. Exact bytes, stored. */
export function renderNotification(event: LogEvent): string {
  const { wallet_id, service_id, amount, currency, method } = event.data as PaymentTerms;
  const { code, detail } = event.data as { code?: string; detail?: string };
  return JSON.stringify({
    type: event.type,
    timestamp: toRfc3339(event.occurredAt),
    data: {
      payment_id: event.subject,
      wallet_id,
      service_id,
      amount,
      currency,
      amount_text: formatMoney(BigInt(amount), currency as Currency),
      method,
      failure: code === undefined ? null : { code, detail },
      correlation_id: event.correlationId,
    },
  });
}
