/** Stage one: what callers asked for, and what validation says to it. */
import { InvariantViolation, invariant } from '#kernel/fault.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { AccountGlance, AccountRef } from '#services/ledger/contract.ts';
import {
  type CancelRequested,
  type PaymentRequested,
  type RefundRequested,
  type RefundTerms,
  type ResolutionRequested,
  termsVersion,
} from '#services/payments/contract.ts';
import type { PaymentTerms } from './events.ts';
import { validateParties } from './validate-parties.ts';

/** What validation answers, each with the newest version that it reads. */
export const HANDLES: ReadonlyMap<string, number> = new Map([
  ['payment.requested', 2],
  ['payment.cancel_requested', 1],
  ['payment.resolution_requested', 1],
  ['refund.requested', 1],
]);

/** Parties that exist, by `accountRef`. */
export type Accounts = ReadonlyMap<string, AccountGlance>;

/** The accounts that a request for money is between. */
export function partiesOf({
  tenant,
  data,
}: LogEvent<Pick<PaymentRequested, 'wallet_id' | 'service_id'>>): AccountRef[] {
  return [
    { tenant, id: data.wallet_id },
    { tenant, id: data.service_id },
  ];
}

/** Whether the event asks for money to move: then its parties are looked at. */
export function concernsMoney(event: LogEvent): event is LogEvent<PaymentRequested | RefundRequested> {
  return event.type === 'payment.requested' || event.type === 'refund.requested';
}

/** The answer to any event of `HANDLES`. */
export function answer(accounts: Accounts, event: LogEvent): EventDraft {
  switch (event.type) {
    case 'payment.requested':
      return answerRequest(accounts, event as LogEvent<PaymentRequested>);
    case 'refund.requested':
      return answerRefund(accounts, event as LogEvent<RefundRequested>);
    case 'payment.cancel_requested':
    case 'payment.resolution_requested':
      return answerIntervention(event as LogEvent<CancelRequested | ResolutionRequested>);
    default:
      throw new InvariantViolation(`validation has no answer to ${event.type}`);
  }
}

/** `payment.validated` or `payment.rejected`, of the version that the payment's method asks for. */
function answerRequest(accounts: Accounts, event: LogEvent<PaymentRequested>): EventDraft {
  invariant(event.type === 'payment.requested', `${event.type} is no request to pay`);
  const { wallet_id, service_id, amount, currency, method } = event.data;
  const terms: PaymentTerms = { wallet_id, service_id, amount, currency, method };
  const version = termsVersion(terms);
  const decision = validateParties(accounts, event.tenant, {
    of: 'payment',
    walletId: wallet_id,
    serviceId: service_id,
    currency,
  });
  if (decision.ok) return follow(event, { type: 'payment.validated', version, data: terms });
  const { code, detail } = decision.problem;
  return follow(event, { type: 'payment.rejected', version, data: { ...terms, code, detail } });
}

/** `refund.validated` or `refund.rejected`: the money goes back between the same two accounts. */
function answerRefund(accounts: Accounts, event: LogEvent<RefundRequested>): EventDraft {
  const { payment_id, wallet_id, service_id, amount, currency, method } = event.data;
  const terms: RefundTerms = { payment_id, wallet_id, service_id, amount, currency, method };
  const decision = validateParties(accounts, event.tenant, {
    of: 'refund',
    walletId: wallet_id,
    serviceId: service_id,
    currency,
  });
  if (decision.ok) return follow(event, { type: 'refund.validated', data: terms });
  const { code, detail } = decision.problem;
  return follow(event, { type: 'refund.rejected', data: { ...terms, code, detail } });
}

/**
 * What a person wants of a payment under way is handed on as it is. It passes through here so that the coordinator,
 * which reads this log, meets it behind the payment that it is about.
 */
function answerIntervention(event: LogEvent<CancelRequested | ResolutionRequested>): EventDraft {
  const type =
    event.type === 'payment.cancel_requested' ? 'payment.cancel_admitted' : 'payment.resolution_admitted';
  return follow(event, { type, data: event.data });
}
