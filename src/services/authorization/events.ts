/** Events of the coordinator's log, as data. */
import type { RefundTerms, ResolutionRequested } from '#services/payments/contract.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';

export type Failure = {
  readonly code: string;
  readonly detail: string;
};

export type PaymentAuthorized = PaymentTerms & { readonly hold_id: string };
export type PaymentDeclined = PaymentTerms & Failure;
export type PaymentCompleted = PaymentTerms & { readonly entry_id: string };
export type PaymentFailed = PaymentTerms & Failure;
/** `provider` is null if a person said so. */
export type PaymentCharged = PaymentTerms & { readonly hold_id: string; readonly provider: string | null };
export type PaymentCancelling = PaymentTerms;
export type ChargeResolved = PaymentTerms &
  Pick<ResolutionRequested, 'outcome' | 'reason' | 'actor' | 'regarding'>;
/** A compensation that another service does. */
export type CompensationStep = 'refund_charge' | 'reverse_posting';
export type PaymentCompensating = PaymentTerms & Failure & { readonly step: CompensationStep };

export type RefundAuthorized = RefundTerms & { readonly hold_id: string };
export type RefundConfirmed = RefundTerms & { readonly hold_id: string; readonly provider: string };
export type RefundCompleted = RefundTerms & { readonly entry_id: string };
