import type { CancelRequested, RefundTerms, ResolutionRequested } from '#services/payments/contract.ts';

/** What every later stage needs to know of the payment; stages that disagree about it are a finding. */
export type PaymentTerms = {
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly method: 'balance' | 'gateway';
};

export type PaymentValidated = PaymentTerms;

export type PaymentRejected = PaymentTerms & { readonly code: string; readonly detail: string };

export type CancelAdmitted = CancelRequested;
export type ResolutionAdmitted = ResolutionRequested;
export type RefundValidated = RefundTerms;
export type RefundRejected = RefundTerms & { readonly code: string; readonly detail: string };
