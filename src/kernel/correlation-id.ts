/**
 * One id finds everything about a payment (P9, U17): it goes from the request's `X-Correlation-ID` into every
 * event, answer, webhook, trace and log line. The caller's own is kept if it is 1 to 128 characters of visible
 * ASCII without quotes and backslash, so that it cannot break out of a header, a JSON text or a log line; with
 * any other the request is not refused, it gets a new one. (A header sent twice arrives joined by ", ", which
 * has a space and is another.) It is a label and never an identity: nothing is looked up by it but history.
 */
import { newId } from './ids.ts';

declare const correlationIdBrand: unique symbol;
/** The caller's text, or `cor_…`. */
export type CorrelationId = string & { readonly [correlationIdBrand]: true };

/** Visible ASCII is 0x21 to 0x7e; `"` is 0x22, `'` 0x27, `\` 0x5c. */
const CORRELATION_ID = /^[\x21\x23-\x26\x28-\x5b\x5d-\x7e]{1,128}$/;

export function isCorrelationId(text: string): text is CorrelationId {
  return CORRELATION_ID.test(text);
}

/** For the edges: a new one is minted where the caller has none, or none that is sane. */
export function correlationIdOf(callersText: string | undefined): CorrelationId {
  return callersText !== undefined && isCorrelationId(callersText) ? callersText : newCorrelationId();
}

/** For what no request caused: a start, a schedule, a repair. */
export function newCorrelationId(): CorrelationId {
  return newId('cor') as string as CorrelationId;
}
