import type { FastifyRequest } from 'fastify';
import { parseJsonBody } from './json-body.ts';
import { edgeProblem, ProblemError } from './problem-error.ts';

/** Fastify's parser of `application/json`. An empty body is none: whether the route needs one is for its schema. */
export function parseJsonContent(
  request: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, value?: unknown) => void,
): void {
  const { headers } = request;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    done(edgeProblem('request.unsupported_media_type', 'A body with a Content-Encoding is not accepted.'));
    return;
  }
  if (hasOtherCharset(headers['content-type'])) {
    done(edgeProblem('request.unsupported_media_type', 'JSON is accepted in UTF-8 only (RFC 8259 §8.1).'));
    return;
  }
  if (body.length === 0) {
    done(null, undefined);
    return;
  }
  const parsed = parseJsonBody(body);
  if (parsed.ok) done(null, parsed.value);
  else done(new ProblemError(parsed.problem));
}

function hasOtherCharset(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType.length === 'application/json'.length) return false;
  const [, charset] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType) ?? [];
  return charset !== undefined && !/^utf-?8$/i.test(charset);
}
