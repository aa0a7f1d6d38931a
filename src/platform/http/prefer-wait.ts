/** Seconds that a caller may ask us to wait for a final state (DESIGN §6). */
export const MAX_WAIT_S = 30;

/** What stands between commas; one within a quoted string divides nothing (RFC 9110 §5.6.4). One without an end goes to the last letter, so that none is read twice. */
const PREFERENCE = /(?:"(?:[^"\\]|\\.?)*(?:"|$)|[^,"])+/g;

/**
 * The seconds of `Prefer: wait=N` (RFC 7240 §4.3), 1 … 30. Anything else is ignored, as §2 demands of a preference
 * that is not understood. Other preferences may stand beside it; the first `wait` counts (§2).
 */
export function parsePreferWait(header: string | readonly string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const list = typeof header === 'string' ? header : header.join(',');
  for (const [preference] of list.matchAll(PREFERENCE)) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,3})"?\s*(?:;.*)?$/i.exec(preference) ?? [];
    if (seconds === undefined) {
      if (/^\s*wait\s*(?:[=;]|$)/i.test(preference)) return undefined;
      continue;
    }
    const waitS = Number(seconds);
    return waitS >= 1 && waitS <= MAX_WAIT_S ? waitS : undefined;
  }
  return undefined;
}
