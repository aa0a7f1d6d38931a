/** The record of a new charge or refund: the document, and what is owed because of how it was decided. */
import type { BookRecord, Settlement } from './book.ts';
import { owedCallback } from './callback-script.ts';
import type { Conduct } from './conduct.ts';
import type { Surroundings } from './decision.ts';
import { type Document, settled } from './documents.ts';

/** "Shortly": long enough that the answer is out before. */
const REFUND_MS = 200;

/** @param pending as it begins */
export function outcomeRecord(
  pending: Document,
  { outcome, callbackMs }: Conduct,
  { now, newId }: Surroundings,
): BookRecord & { readonly document: Document } {
  const pendingMs =
    outcome.pendingMs === 'usual' ? (pending.kind === 'refund' ? REFUND_MS : null) : outcome.pendingMs;
  const { reason, story } = outcome;
  if (pendingMs !== null) {
    const { kind, key } = pending;
    return { document: pending, settlement: { kind, key, at: now + pendingMs, reason, story } };
  }
  const document = settled(pending, reason, now);
  if (callbackMs === null) return { document };
  return { document, owed: owedCallback({ story, document, at: now + callbackMs, newId }) };
}

/** The record of a document whose time to leave pending has come. */
export function settlementRecord(
  pending: Document,
  { reason, story }: Pick<Settlement, 'reason' | 'story'>,
  { now, newId }: Surroundings,
): BookRecord {
  const document = settled(pending, reason, now);
  return { document, owed: owedCallback({ story, document, at: now, newId }) };
}
