/** A card transaction as it is kept, and as its callers see it (K9). */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Category } from './card.ts';
import type { DecidedBy } from './choose-balance.ts';
import type { ReadFault } from './read-card-transaction.ts';

/** Approved, not enough money, anything else (K1). */
export const CODES = ['00', '51', '07'] as const;
export type Code = (typeof CODES)[number];

/** Why a `07`. Of the last four nothing was decided, or what was decided was undone: see docs/adr/0018. */
export type Reason =
  | ReadFault
  | 'unknown_account'
  | 'card_blocked'
  | 'id_reused'
  | 'ledger_refused'
  | 'late'
  | 'locked'
  | 'database'
  | 'overloaded';

/** Where the money of it is: nowhere, set aside, spent, or given back before it was spent. */
export type CardTransactionState = 'declined' | 'held' | 'captured' | 'released' | 'expired';

export interface CardTransaction {
  readonly tenant: string;
  readonly uuid: string;
  readonly account: string | null;
  readonly externalId: string | null;
  /** Whether a repeat under the external id gets this answer. */
  readonly claimed: boolean;
  readonly digest: string | null;
  readonly mcc: string | null;
  readonly merchant: string | null;
  /** Null if it could not be read, or no card says in which currency. */
  readonly amountMinor: bigint | null;
  readonly currency: string | null;
  readonly code: Code;
  /** The balance that paid; of a `51` the one that was meant to. */
  readonly category: Category | null;
  readonly decidedBy: DecidedBy | null;
  readonly reason: Reason | null;
  readonly detail: string | null;
  readonly rulesVersion: number | null;
  /** From its arrival to its decision; commit and answer follow. */
  readonly latencyMs: number;
  readonly state: CardTransactionState;
  readonly capturedMinor: bigint;
  readonly reversedMinor: bigint;
  readonly decidedAt: EpochMs;
}

/** What the caller of a decision is told. */
export type CardAnswer = {
  readonly id: string;
  readonly code: Code;
  readonly category: Category | null;
  readonly decided_by: DecidedBy | null;
  readonly latency_ms: number;
};

export function answerOf({ uuid, code, category, decidedBy, latencyMs }: CardTransaction): CardAnswer {
  return { id: idOf('ctx', uuid), code, category, decided_by: decidedBy, latency_ms: latencyMs };
}

/** `confirmed`, or the answer may never have been sent (docs/adr/0018). */
export type Confirmation = 'confirmed' | 'unconfirmed';

export interface CardTransactionReading extends CardTransaction {
  readonly confirmation: Confirmation;
}

export function renderCardTransaction(reading: CardTransactionReading): JsonObject {
  return {
    id: idOf('ctx', reading.uuid),
    account: reading.account,
    external_id: reading.externalId,
    mcc: reading.mcc,
    merchant: reading.merchant,
    amount: reading.amountMinor === null ? null : renderAmount(reading.amountMinor),
    currency: reading.currency,
    code: reading.code,
    category: reading.category,
    decided_by: reading.decidedBy,
    reason: reading.reason,
    detail: reading.detail,
    rules_version: reading.rulesVersion,
    latency_ms: reading.latencyMs,
    state: reading.state,
    captured: renderAmount(reading.capturedMinor),
    reversed: renderAmount(reading.reversedMinor),
    confirmation: reading.confirmation,
    decided_at: toRfc3339(reading.decidedAt),
  };
}
