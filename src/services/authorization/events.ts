import type { PaymentTerms } from '#services/validation/contract.ts';

export type PaymentAuthorized = PaymentTerms & { readonly hold_id: string };
export type PaymentDeclined = PaymentTerms & { readonly code: string; readonly detail: string };
export type PaymentCompleted = PaymentTerms & { readonly entry_id: string };
export type PaymentFailed = PaymentTerms & { readonly code: string; readonly detail: string };
