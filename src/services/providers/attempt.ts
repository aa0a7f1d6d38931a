/**
 * An attempt: one charge or one refund at one provider, under one idempotency key. A payment has several if providers
 * fail; of those at most one is open at a time.
 *
 * The states of a charge: `waiting` (not being sent by anybody) → `sending` (somebody may be sending it just now) →
 * `pending` (the provider has it and will say) or `unknown` (nobody knows) → `voiding` (the provider is asked to block
 * it) → one of the final ones. Those of a refund: `sending` (asked again under the same key until there is an answer) →
 * `pending` → final.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { type AttemptId, idOf } from '#kernel/ids.ts';

export type AttemptKind = 'charge' | 'refund';
export type AttemptPurpose = 'payment' | 'refund' | 'compensation' | 'unexpected';

/** Those in which something is still to be done. */
export const OPEN_STATES = ['waiting', 'sending', 'pending', 'unknown', 'voiding'] as const;
type OpenState = (typeof OPEN_STATES)[number];
export type ChargeEnd =
  | 'approved'
  | 'declined'
  /** Not charged, and never will be under this key; or never sent. */
  | 'closed'
  /** Charged although the payment did not want it any more. */
  | 'unexpected'
  /** Approved, and a person has said since that the money is not there. */
  | 'reversed'
  | 'resolved_charged'
  | 'resolved_not_charged';
/** `resolved`: a person has said what became of it. */
export type RefundEnd = 'refunded' | 'refused' | 'resolved';
export type AttemptState = OpenState | ChargeEnd | RefundEnd;

/** A row of `providers.attempts`; its columns are described there. */
export interface Attempt {
  readonly uuid: string;
  readonly tenant: string;
  readonly subject: string;
  readonly key: string;
  readonly partition: number;
  readonly kind: AttemptKind;
  readonly purpose: AttemptPurpose;
  readonly chargeUuid: string | null;
  readonly provider: string;
  readonly others: readonly string[];
  readonly number: number;
  /** Minor units. */
  readonly amount: number;
  readonly currency: string;
  readonly state: AttemptState;
  readonly exposed: boolean;
  readonly cancelling: boolean;
  readonly toldUnknown: boolean;
  readonly toldUnresolved: boolean;
  readonly contradictions: readonly string[];
  readonly sendBefore: EpochMs;
  readonly dueAt: EpochMs | null;
  readonly calls: number;
  readonly heard: number;
  readonly tries: number;
  readonly deadlineAt: EpochMs;
  readonly correlationId: string;
  readonly traceparent: string | null;
  readonly cause: string;
  readonly providerReference: string | null;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
}

/** Whoever handles the same event again derives the same row (U3), and asks the provider under the same key. */
export function attemptUuid(subject: string, kind: AttemptKind, number: number): string {
  return derivedUuid('attempt', subject, kind, String(number));
}

export function attemptId({ uuid }: Pick<Attempt, 'uuid'>): AttemptId {
  return idOf('att', uuid);
}

const OPEN: ReadonlySet<AttemptState> = new Set(OPEN_STATES);

export function isOpen({ state }: Pick<Attempt, 'state'>): boolean {
  return OPEN.has(state);
}

/** Whether the money of a charge is the payment's: what a refund can give back. */
export function isCharged({ kind, state }: Pick<Attempt, 'kind' | 'state'>): boolean {
  return kind === 'charge' && (state === 'approved' || state === 'resolved_charged');
}

/** The charge of a payment that a refund gives back, undefined if none is known. */
export function findCharge(attempts: readonly Attempt[]): Attempt | undefined {
  return attempts.find(({ state }) => state === 'approved') ?? attempts.find(isCharged);
}

/** The number of the subject's next attempt of the kind. */
export function nextNumber(attempts: readonly Attempt[], kind: AttemptKind): number {
  return attempts.reduce((next, each) => (each.kind === kind ? Math.max(next, each.number + 1) : next), 1);
}

/** What is asked of a provider. */
export type Operation = 'charge' | 'inquire' | 'void' | 'refund' | 'inquire_refund';

/**
 * The call that is due in a state; a charge that is already `sending` when it falls due was left behind by somebody. A
 * charge that a person has said is not there is blocked, lest it comes to be.
 */
export function operationOf({ kind, state }: Pick<Attempt, 'kind' | 'state'>): Operation {
  if (kind === 'refund') return state === 'pending' ? 'inquire_refund' : 'refund';
  if (state === 'waiting' || state === 'sending') return 'charge';
  return state === 'voiding' || state === 'resolved_not_charged' ? 'void' : 'inquire';
}
