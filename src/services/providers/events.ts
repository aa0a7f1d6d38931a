/** Events of the providers' log, as data. Their subject is the payment or the refund; amounts are minor units. */

interface Attempt {
  readonly attempt_id: string;
  readonly provider: string;
  readonly number: number;
}

interface Charged extends Attempt {
  readonly amount: number;
  readonly currency: string;
  readonly provider_reference: string | null;
}

export type ProviderApproved = Pick<Charged, keyof Charged>;
export type ProviderDeclined = Pick<Attempt, keyof Attempt> & {
  readonly code: string;
  readonly detail: string;
};
export type ProviderUnknown = Pick<Attempt, keyof Attempt> & { readonly detail: string };
export type ProviderClosed = ProviderUnknown;
export type ProviderUnresolved = ProviderUnknown;
export type ProviderExhausted = {
  readonly attempts: number;
  readonly code: string;
  readonly detail: string;
};
export type ProviderCancelled = { readonly attempts: number; readonly detail: string };
export type ProviderResolved = {
  readonly outcome: 'charged' | 'not_charged';
  readonly provider: string | null;
  readonly detail: string;
};
/** `detail`: whose word it is, if it is a person's. */
export type ProviderRefunded = ProviderApproved & { readonly detail?: string };
export type ProviderRefundRefused = ProviderDeclined;
export type ProviderRefundUnresolved = ProviderUnknown;
export type ChargedUnexpectedly = Pick<Attempt, keyof Attempt> & {
  readonly amount: number;
  readonly currency: string;
  readonly detail: string;
};
export type UnexpectedChargeRefunded = ProviderApproved;
export type ProviderContradicted = Pick<Attempt, keyof Attempt> & {
  readonly told: string;
  readonly known: string;
};
