/** Events of the payments log, as data. Amounts are minor units. */
import type { JsonObject } from '#platform/log/event.ts';

export type PaymentRequested = {
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly method: 'balance' | 'gateway';
  readonly reference: string | null;
  readonly description: string | null;
  readonly metadata: JsonObject | null;
};

/** `actor`: the id of the API key, or `sandbox`. */
export type CancelRequested = { readonly actor: string };

export type ResolutionRequested = {
  readonly outcome: 'charged' | 'not_charged';
  readonly reason: string;
  readonly actor: string;
  /** What the person saw: a charge of unknown outcome, or a payment that was completed. */
  readonly regarding: 'charge' | 'completion';
};

/** What every stage of a refund needs to know of it. The money goes from the service to the wallet. */
export type RefundTerms = {
  readonly payment_id: string;
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly method: 'balance' | 'gateway';
};

/** `reason`: the caller's own, for people. */
export type RefundRequested = RefundTerms & { readonly reason: string | null };

/**
 * Of the events that carry a payment's terms. A program that knows `balance` alone must not take a gateway payment for
 * one, and reads version 1 alone.
 */
export function termsVersion({ method }: { readonly method: 'balance' | 'gateway' }): 1 | 2 {
  return method === 'balance' ? 1 : 2;
}
