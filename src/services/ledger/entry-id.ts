import { derivedUuid } from '#kernel/derived-uuid.ts';
import { type Id, type IdPrefix, idOf } from '#kernel/ids.ts';

/** Why an entry exists, beside what caused it; a cause has at most one entry per purpose (R5). */
export const ENTRY_PURPOSES = [
  'manual',
  'payment',
  'refund',
  'reversal',
  'top_up',
  'card',
  'card_reversal',
  'cash_entry',
] as const;
export type EntryPurpose = (typeof ENTRY_PURPOSES)[number];

/** What a cause does first and, as a rule, only: its entry bears the cause's own uuid, so that inserts stay in time order. */
const MAIN_PURPOSES: ReadonlySet<EntryPurpose> = new Set([
  'manual',
  'payment',
  'refund',
  'top_up',
  'card',
  'cash_entry',
]);

/** Of which kind the causes of a purpose are. A manual entry is its own cause. */
const CAUSE_PREFIXES = {
  manual: 'jen',
  payment: 'pay',
  refund: 'ref',
  reversal: 'pay',
  top_up: 'ctu',
  card: 'ctx',
  card_reversal: 'ctx',
  cash_entry: 'cen',
} as const satisfies Record<EntryPurpose, IdPrefix>;

/**
 * The entry's uuid, a function of cause and purpose: re-delivering what caused it finds the same row. Not of a card's
 * reversal, of which there may be several: its entry bears the uuid of the reversal.
 */
export function entryIdOf(cause: string, purpose: EntryPurpose): string {
  return MAIN_PURPOSES.has(purpose) ? cause : derivedUuid(cause, purpose);
}

/** The id of what an entry was posted for, which is also the subject of its `entry.posted`. */
export function causeIdOf({ cause, purpose }: { cause: string; purpose: EntryPurpose }): Id<IdPrefix> {
  return idOf(CAUSE_PREFIXES[purpose], cause);
}
