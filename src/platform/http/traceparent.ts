const VERSION_00 = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const LATER_VERSION = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
const ZEROS = /^0+$/;
const SAMPLED = 1;

/**
 * The caller's trace, as we hand it on: version 00, no flag but `sampled` (W3C Trace Context §3.2). Undefined if the
 * header is absent or invalid, which never fails a request: the trace then starts with us. Of a later version than
 * 00 only the part that 00 defines is read (§3.2.2.5).
 */
export function parseTraceparent(header: string | readonly string[] | undefined): string | undefined {
  if (typeof header !== 'string') return undefined;
  const [, traceId, parentId, flags] = VERSION_00.exec(header) ?? laterVersion(header) ?? [];
  if (traceId === undefined || parentId === undefined || flags === undefined) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined;
  return `00-${traceId}-${parentId}-0${Number.parseInt(flags, 16) & SAMPLED}`;
}

function laterVersion(header: string): RegExpExecArray | null {
  return header.startsWith('00') ? null : LATER_VERSION.exec(header);
}
