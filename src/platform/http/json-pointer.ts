/** A step of a JSON pointer (RFC 6901 §3), its slash included. */
export function pointerStep(name: string | number): string {
  return `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
