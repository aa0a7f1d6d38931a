/**
 * What a provider of the sandbox can be told to do, and about what (docs/sandbox-providers.md). A program of its own cannot
 * be imported, so its list stands here; tests/torture-misbehaviours.test.ts holds it to the provider's.
 */
export type ProviderOperation = 'charge' | 'refund' | 'inquiry' | 'void';

export interface Misbehaviour {
  readonly behaviour: string;
  readonly operation: ProviderOperation;
  readonly probability: number;
  readonly delayMs: number;
  readonly retryAfterS: number;
}

const EVERYWHERE = ['charge', 'refund', 'inquiry', 'void'] as const;
const PAYING = ['charge', 'refund'] as const;
const CHARGES = ['charge'] as const;
const REFUNDS = ['refund'] as const;

export const BEHAVIOURS: readonly {
  readonly name: string;
  readonly operations: readonly ProviderOperation[];
}[] = [
  { name: 'decline', operations: CHARGES },
  { name: 'error_before', operations: EVERYWHERE },
  { name: 'error_after', operations: EVERYWHERE },
  { name: 'throttle', operations: EVERYWHERE },
  { name: 'refuse_connections', operations: EVERYWHERE },
  { name: 'timeout_charged', operations: EVERYWHERE },
  { name: 'timeout_not_charged', operations: EVERYWHERE },
  { name: 'hang', operations: EVERYWHERE },
  { name: 'hang_charged', operations: EVERYWHERE },
  { name: 'garbage', operations: EVERYWHERE },
  { name: 'garbage_not_charged', operations: EVERYWHERE },
  { name: 'pending', operations: PAYING },
  { name: 'pending_decline', operations: PAYING },
  { name: 'callback_late', operations: PAYING },
  { name: 'callback_twice', operations: PAYING },
  { name: 'callback_out_of_order', operations: PAYING },
  { name: 'callback_before_answer', operations: CHARGES },
  { name: 'callback_contradicts', operations: CHARGES },
  { name: 'callback_bad_signature', operations: PAYING },
  { name: 'callback_stale', operations: PAYING },
  { name: 'refund_fails', operations: REFUNDS },
  { name: 'refund_succeeds', operations: REFUNDS },
  { name: 'slow', operations: EVERYWHERE },
];
