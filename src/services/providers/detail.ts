/** What comes from outside, as a sentence that the contracts of our events take. Pure. */

/** As the contracts say, in characters. */
const DETAIL_MAX = 1000;
const NOTHING_SAID = 'No reason was given.';

/** What a provider says of its refusal; its code alone, if it says nothing. */
export function reasonOf({ code, detail }: { readonly code: string; readonly detail: string }): string {
  return detail === '' ? code : `${detail} (${code})`;
}

/** Storable (R6), neither empty nor too long. A pair that the cut divides counts as one that is damaged. */
export function asDetail(text: string): string {
  const detail = text.slice(0, DETAIL_MAX).replaceAll('\0', '\u{fffd}').toWellFormed();
  return detail.trim() === '' ? NOTHING_SAID : detail;
}
