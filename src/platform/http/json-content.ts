import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { parseJsonBody } from './json-body.ts';
import { edgeProblem, ProblemError } from './problem-error.ts';

/** Fastify's parser of `application/json`. An empty body is none: whether the route needs one is for its schema. */
export function parseJsonContent(
  request: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, value?: unknown) => void,
): void {
  const unreadable = encodingRefusal(request.headers);
  if (unreadable !== undefined) {
    done(edgeProblem('request.unsupported_media_type', unreadable));
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

/** Why a text that has these headers cannot be read as it comes. */
export function encodingRefusal(headers: IncomingHttpHeaders): string | undefined {
  if (isEncoded(headers['content-encoding'])) return 'A body with a Content-Encoding is not accepted.';
  if (hasOtherCharset(headers['content-type'])) return 'A body is accepted in UTF-8 only.';
  return undefined;
}

function isEncoded(encoding: string | undefined): boolean {
  return encoding !== undefined && encoding.toLowerCase() !== 'identity';
}

function hasOtherCharset(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType.length === 'application/json'.length) return false;
  const [, charset] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType) ?? [];
  return charset !== undefined && !/^utf-?8$/i.test(charset);
}
