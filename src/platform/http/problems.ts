import { InvariantViolation } from '#kernel/fault.ts';
import type { ProblemRegistry } from '#kernel/problem.ts';

/** What the edge itself refuses. What a service refuses stands in that service's `problems.ts`. */
export const edgeProblems = {
  'request.invalid': {
    status: 400,
    title: 'The body is not of the shape that this operation takes',
    retryable: false,
    remedy:
      'Mend the fields that `errors` points at; each pointer (RFC 6901) leads into the body. Members that the operation does not know are refused too, so that a misspelt one is not silently ignored.',
  },
  'request.invalid_parameter': {
    status: 400,
    title: 'A parameter of the path, the query or a header is not of the right shape',
    retryable: false,
    remedy: 'Mend what `errors` points at: `/path/<name>`, `/query/<name>` or `/header/<name>`.',
  },
  'request.malformed_json': {
    status: 400,
    title: 'The body is not JSON',
    retryable: false,
    remedy: 'Send one JSON text (RFC 8259) in UTF-8.',
  },
  'request.malformed': {
    status: 400,
    title: 'The request is not proper HTTP',
    retryable: false,
    remedy: 'Percent-encode the target, send one Host header and as many bytes as Content-Length says.',
  },
  'request.missing_idempotency_key': {
    status: 400,
    title: 'This operation needs an Idempotency-Key',
    retryable: false,
    remedy:
      'Send `Idempotency-Key` with a value of your own, a new one for each thing you want done, the same one when you repeat a request.',
  },
  'request.invalid_idempotency_key': {
    status: 400,
    title: 'The Idempotency-Key is not usable',
    retryable: false,
    remedy: 'Send one key of 1 to 255 characters, without control characters, bare or in double quotes.',
  },
  'access.unauthenticated': {
    status: 401,
    title: 'No usable credentials',
    retryable: false,
    remedy: 'Send `Authorization: Bearer lk_…` with an API key that is neither revoked nor expired.',
  },
  'access.forbidden': {
    status: 403,
    title: 'The API key lacks the scope for this operation',
    retryable: false,
    remedy: 'Use a key that has the scope named in `scope`.',
  },
  'request.not_found': {
    status: 404,
    title: 'There is nothing at this address',
    retryable: false,
    remedy: 'Look the operation up in `/openapi.json`.',
  },
  'request.method_not_allowed': {
    status: 405,
    title: 'This address does not take this method',
    retryable: false,
    remedy: 'Use one of the methods in the `Allow` header.',
  },
  'request.timeout': {
    status: 408,
    title: 'The request did not arrive in time',
    retryable: true,
    remedy: 'Send the whole request within half a minute; repeat it under the same Idempotency-Key.',
  },
  'request.too_large': {
    status: 413,
    title: 'The body is too large',
    retryable: false,
    remedy: 'Send less in one request; the limit is 1 MiB unless LASTRO_BODY_LIMIT says otherwise.',
  },
  'request.unsupported_media_type': {
    status: 415,
    title: 'The body is not of a media type that this operation takes',
    retryable: false,
    remedy:
      'Send `Content-Type: application/json`, or `text/csv` for a file to import, in UTF-8, without a Content-Encoding.',
  },
  'request.headers_too_large': {
    status: 431,
    title: 'The headers are too large',
    retryable: false,
    remedy: 'Send less than 16 KiB of target and headers.',
  },
  'request.rate_limited': {
    status: 429,
    title: 'Too many requests with this API key',
    retryable: true,
    remedy: 'Wait as long as `Retry-After` says; the `RateLimit` header tells how much is left.',
  },
  'internal.fault': {
    status: 500,
    title: 'Something failed on our side',
    retryable: true,
    remedy:
      'Repeat the request under the same Idempotency-Key; if it stays, report the X-Correlation-ID of the answer.',
  },
  'service.overloaded': {
    status: 503,
    title: 'More work is waiting than is accepted',
    retryable: true,
    remedy: 'Repeat the request under the same Idempotency-Key after `Retry-After`.',
  },
  'service.unavailable': {
    status: 503,
    title: 'Something that this operation needs cannot be reached',
    retryable: true,
    remedy: 'Repeat the request under the same Idempotency-Key after `Retry-After`.',
  },
} as const satisfies ProblemRegistry;

export type EdgeProblemCode = keyof typeof edgeProblems;

/** One registry of several. A code is registered once: two definitions of it could not both be right. */
export function mergeProblems(...registries: readonly ProblemRegistry[]): ProblemRegistry {
  const merged: Record<string, ProblemRegistry[string]> = {};
  for (const registry of registries) {
    for (const [code, definition] of Object.entries(registry)) {
      if (Object.hasOwn(merged, code))
        throw new InvariantViolation(`the problem ${code} is registered twice`);
      merged[code] = definition;
    }
  }
  return Object.freeze(merged);
}
