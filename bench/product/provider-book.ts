/**
 * What the providers say they charged, by their own books. The product says what it charged; the two must be one.
 */
export interface BookEntry {
  readonly position: number;
  readonly kind: 'charge' | 'refund';
  /** The caller's `Idempotency-Key`. */
  readonly key: string;
  /** The payment, or what the refund is for. */
  readonly reference: string;
  /** `approved` of a charge, `succeeded` of a refund: money has moved. */
  readonly status: string;
  /** Of a refund: the key of the charge. */
  readonly charge?: string;
  readonly created_at: string;
}

export interface BooksFigures {
  /** Charges that were approved, given back or not. */
  readonly charges: number;
  readonly refunds: number;
  /** Payments that stand charged, once or more. */
  readonly charged: number;
  /** Of these, charged more than once and not given back. */
  readonly chargedTwice: number;
}

/** Of all providers together. A refund gives the whole charge back: the bench asks for no other. */
export function sumBooks(entries: readonly BookEntry[]): BooksFigures {
  const refunded = new Set(
    entries.flatMap(({ kind, status, charge }) =>
      kind === 'refund' && status === 'succeeded' && charge !== undefined ? [charge] : [],
    ),
  );
  const approved = entries.filter(({ kind, status }) => kind === 'charge' && status === 'approved');
  const standing = new Map<string, number>();
  for (const { key, reference } of approved)
    if (!refunded.has(key)) standing.set(reference, (standing.get(reference) ?? 0) + 1);
  return {
    charges: approved.length,
    refunds: refunded.size,
    charged: standing.size,
    chargedTwice: [...standing.values()].filter((times) => times > 1).length,
  };
}

/** The first charge that was made at this instant (ms) or later: a provider that is called again. */
export function firstChargeSince(entries: readonly BookEntry[], since: number): number | undefined {
  const made = entries
    .filter(({ kind, status }) => kind === 'charge' && status === 'approved')
    .map(({ created_at }) => Date.parse(created_at))
    .filter((at) => at >= since);
  return made.length === 0 ? undefined : Math.min(...made);
}
