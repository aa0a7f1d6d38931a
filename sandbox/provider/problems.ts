/** Every refusal of the provider: its HTTP status and its title (RFC 9457). */

export const PROBLEMS = {
  malformed_request: { status: 400, title: 'The request cannot be understood' },
  idempotency_key_required: { status: 400, title: 'An Idempotency-Key is required' },
  unauthorized: { status: 401, title: 'The API key is missing or wrong' },
  route_not_found: { status: 404, title: 'There is no such route' },
  charge_not_found: { status: 404, title: 'There is no charge with this key' },
  refund_not_found: { status: 404, title: 'There is no refund with this key' },
  behaviour_not_found: { status: 404, title: 'There is no such behaviour' },
  charge_voided: { status: 409, title: 'The key was voided' },
  charge_approved: { status: 409, title: 'The charge was approved' },
  body_too_large: { status: 413, title: 'The body is too large' },
  idempotency_key_reused: { status: 422, title: 'The key was used for another request' },
  charge_not_approved: { status: 422, title: 'Only an approved charge can be refunded' },
  currency_mismatch: { status: 422, title: 'A refund has the currency of its charge' },
  refund_exceeds_charge: { status: 422, title: 'The refunds would exceed the charge' },
  too_many_behaviours: { status: 422, title: 'There are too many behaviours' },
  throttled: { status: 429, title: 'Too many requests' },
  provider_error: { status: 500, title: 'The provider failed' },
  provider_timeout: { status: 504, title: 'The provider did not answer in time' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** A refusal that a decision came to. */
export interface Refusal {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Members beside the standard ones. */
  readonly members?: Readonly<Record<string, unknown>>;
}

export function renderRefusal({ code, detail, members }: Refusal): Readonly<Record<string, unknown>> {
  const { status, title } = PROBLEMS[code];
  return { type: `urn:lastro:sandbox-provider:${code}`, title, status, code, detail, ...members };
}
