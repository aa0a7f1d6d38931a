/** Stage one: a requested payment, and what validation says to it. */
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { AccountGlance, AccountRef } from '#services/ledger/contract.ts';
import type { PaymentRequested } from '#services/payments/contract.ts';
import type { PaymentTerms } from './events.ts';
import { validatePayment } from './validate-payment.ts';

export function partiesOf({ tenant, data }: LogEvent<PaymentRequested>): AccountRef[] {
  return [
    { tenant, id: data.wallet_id },
    { tenant, id: data.service_id },
  ];
}

/** `payment.validated` or `payment.rejected`. `accounts` holds the parties that exist, by `accountRef`. */
export function answerRequest(
  accounts: ReadonlyMap<string, AccountGlance>,
  event: LogEvent<PaymentRequested>,
): EventDraft {
  const { wallet_id, service_id, amount, currency, method } = event.data;
  const terms: PaymentTerms = { wallet_id, service_id, amount, currency, method };
  const decision = validatePayment(accounts, event.tenant, terms);
  if (decision.ok) return follow(event, { type: 'payment.validated', data: terms });
  const { code, detail } = decision.problem;
  return follow(event, { type: 'payment.rejected', data: { ...terms, code, detail } });
}
