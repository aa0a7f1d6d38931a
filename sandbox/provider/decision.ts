/** What a request comes to. Decided from the book as it is, purely; written, then answered, by provider.ts. */
import type { BookRecord } from './book.ts';
import type { Charge, Document } from './documents.ts';
import type { Refusal } from './problems.ts';

export type Decision =
  | { readonly kind: 'made'; readonly document: Document; readonly record: BookRecord }
  /** The same request was made before. */
  | { readonly kind: 'replayed'; readonly document: Document }
  | { readonly kind: 'found'; readonly document: Document }
  /** A void of a key that was never used; the record is missing where it was voided before. */
  | { readonly kind: 'key_voided'; readonly key: string; readonly record?: BookRecord }
  | { readonly kind: 'charge_voided'; readonly document: Charge; readonly record?: BookRecord }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** A decision sees the book, what was asked for, and these. */
export interface Surroundings {
  readonly now: number;
  /** A new id behind a prefix: `ch_…`. */
  readonly newId: (prefix: string) => string;
}

export function refused(code: Refusal['code'], detail: string, members?: Refusal['members']): Decision {
  return { kind: 'refused', refusal: { code, detail, ...(members === undefined ? {} : { members }) } };
}
