import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Decision } from '#kernel/decision.ts';
import { accepted, refused } from '#kernel/decision.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { hasAtMost } from '#kernel/text.ts';
import type { EdgeProblemCode } from './problems.ts';

/** In characters (code points), DESIGN §6. */
const MAX_KEY_LENGTH = 255;

const NAMES = ['idempotency-key', 'x-idempotent-key'] as const;

type KeyDecision = Decision<string | undefined, Problem<EdgeProblemCode>>;

/**
 * The request's idempotency key, undefined if it has none. `Idempotency-Key: "k"` (a structured string,
 * draft-ietf-httpapi-idempotency-key-header-07 §2.1) equals `Idempotency-Key: k` equals `x-idempotent-key: k` (D1).
 * Several headers must agree: which of two keys the caller meant cannot be guessed.
 */
export function parseIdempotencyKey(
  request: Pick<IncomingMessage, 'headers' | 'headersDistinct'>,
): KeyDecision {
  const { headers } = request;
  const own = headers['idempotency-key'];
  const alias = headers['x-idempotent-key'];
  if (own === undefined && alias === undefined) return accepted(undefined);
  const only = own ?? alias;
  // A comma may stem from a repeated header, which Node joins; then its slower, separate reading decides.
  if ((own === undefined || alias === undefined) && typeof only === 'string' && !only.includes(','))
    return parseKey(only);
  return parseAgreeing(NAMES.flatMap((name) => request.headersDistinct[name] ?? []));
}

/** The same for an operation that does nothing without a key. */
export function requireIdempotencyKey(
  request: Pick<IncomingMessage, 'headers' | 'headersDistinct'>,
): Decision<string, Problem<EdgeProblemCode>> {
  const key = parseIdempotencyKey(request);
  if (!key.ok) return key;
  if (key.value !== undefined) return accepted(key.value);
  return refused(
    problem('request.missing_idempotency_key', 'The request has no Idempotency-Key header.', {
      errors: [{ pointer: '/header/idempotency-key', code: 'required', detail: 'is required' }],
    }),
  );
}

function parseAgreeing(values: readonly string[]): KeyDecision {
  let agreed: string | undefined;
  for (const value of values) {
    const key = parseKey(value);
    if (!key.ok) return key;
    if (agreed !== undefined && agreed !== key.value)
      return invalid('differs between the headers that give it');
    agreed = key.value;
  }
  return accepted(agreed);
}

function parseKey(header: string): KeyDecision {
  const text = decodeUtf8(header.trim());
  const key = text?.startsWith('"') === true ? unquote(text) : text;
  if (key === undefined) return invalid('is not a well-formed string');
  if (key === '') return invalid('is empty');
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(key)) return invalid('holds a control character');
  if (!hasAtMost(MAX_KEY_LENGTH, key)) {
    return invalid(`is longer than ${MAX_KEY_LENGTH} characters`);
  }
  return accepted(key);
}

/** Node reads header bytes as Latin-1; a key beyond ASCII is meant as UTF-8. Undefined if it is not that. */
function decodeUtf8(header: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- the ASCII range begins with them
  if (/^[\u0000-\u007f]*$/.test(header)) return header;
  const bytes = Buffer.from(header, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The content of an sf-string (RFC 8941 §3.3.3), in which only `"` and `\` are escaped. */
function unquote(text: string): string | undefined {
  const [, content] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text) ?? [];
  return content?.replace(/\\(["\\])/g, '$1');
}

function invalid(detail: string): KeyDecision {
  return refused(
    problem('request.invalid_idempotency_key', `The idempotency key ${detail}.`, {
      errors: [{ pointer: '/header/idempotency-key', code: 'invalid', detail }],
    }),
  );
}
