/** A request target in absolute form, as sent to a proxy (RFC 9112 §3.2.2); the router takes it as its path. */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;

/** The host and port that a target itself names: undefined if it is a path, empty if it is neither path nor URL. */
export function authorityOf(target: string): string | undefined {
  return target.startsWith('/') ? undefined : (ABSOLUTE_FORM.exec(target)?.[1] ?? '');
}

/** Without query and fragment. */
export function pathOf(target: string): string {
  return target.replace(ABSOLUTE_FORM, '').replace(/[?#].*$/s, '');
}
