/** What every later stage needs to know of the payment; stages that disagree about it are a finding. */
export type PaymentTerms = {
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly method: 'balance';
};

export type PaymentValidated = PaymentTerms;

export type PaymentRejected = PaymentTerms & { readonly code: string; readonly detail: string };
