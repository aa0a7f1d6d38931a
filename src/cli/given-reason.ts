import { isReason, MAX_REASON_LENGTH } from '#kernel/reason.ts';

/** What `--reason` gives, which must be what the API takes. */
export function givenReason(text: string): string {
  if (!isReason(text))
    throw new Error(`--reason has 1 to ${MAX_REASON_LENGTH} characters, something visible among them`);
  return text;
}
