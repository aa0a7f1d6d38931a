/** What happens to every request before and after its route, also to those that have none. */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, onResponseHookHandler } from 'fastify';
import { type CorrelationId, correlationIdOf } from '#kernel/correlation-id.ts';
import { isStorableJson, isStorableText } from '#kernel/text.ts';
import { pointerStep } from './json-pointer.ts';
import { edgeProblem, parameterProblem } from './problem-error.ts';
import type { RouteMeter } from './route-meter.ts';
import { STATIC_HEADERS } from './static-headers.ts';

/** Fastify's request id is the correlation id (U17), so that also what Fastify logs carries it. */
export function requestIdOf(request: IncomingMessage): CorrelationId {
  const given = request.headers['x-correlation-id'];
  return correlationIdOf(typeof given === 'string' ? given : undefined);
}

/** The headers of every answer. */
export function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(STATIC_HEADERS);
  reply.header('x-correlation-id', request.id);
}

export function beforeEveryRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  done: HookHandlerDoneFunction,
): void {
  setHeaders(request, reply);
  const { url, headers, rawHeaders, httpVersion } = request.raw;
  if (headers.host === undefined && httpVersion !== '1.0') {
    done(edgeProblem('request.malformed', 'The request has no Host header (RFC 9112 §3.2).'));
    return;
  }
  if (repeatsHost(rawHeaders)) {
    done(edgeProblem('request.malformed', 'The request has more than one Host header (RFC 9112 §3.2).'));
    return;
  }
  if (!/^[\x21-\x7e]*$/.test(url ?? '')) {
    done(edgeProblem('request.malformed', 'The target holds bytes that should be percent-encoded.'));
    return;
  }
  // Only what was percent-encoded can be a NUL.
  done(url?.includes('%') === true ? unstorableParameter(request) : undefined);
}

/** Node keeps the first of several and hides the others; what stands before us may have gone by another one. */
function repeatsHost(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1;
}

function unstorableParameter(request: FastifyRequest): Error | undefined {
  return unstorable('/path', request.params) ?? unstorable('/query', request.query);
}

function unstorable(root: string, parameters: unknown): Error | undefined {
  for (const [name, value] of entriesOf(parameters)) {
    if (!isStorableText(name) || !isStorableJson(value)) {
      return parameterProblem(root + pointerStep(name), 'unstorable_text', 'holds a NUL');
    }
  }
  return undefined;
}

function entriesOf(parameters: unknown): [string, unknown][] {
  return typeof parameters === 'object' && parameters !== null ? Object.entries(parameters) : [];
}

/** Measures and logs each answer; `unmatched` is the meter of requests that have no route. */
export function createAfterEveryRequest(unmatched: RouteMeter): onResponseHookHandler {
  return (request, reply, done) => {
    const { statusCode } = reply;
    const durationMs = reply.elapsedTime;
    const meter = request.meter ?? unmatched;
    meter.observe(statusCode, durationMs);
    const level = statusCode < 400 ? 'debug' : statusCode < 500 ? 'info' : 'error';
    if (isLogged(request, level)) {
      const line = {
        method: request.method,
        route: meter.route,
        status: statusCode,
        duration_ms: durationMs,
      };
      request.log[level](line, 'answered');
    }
    done();
  };
}

/** Spares building a line that nobody sees: of a thousand requests, most succeed and are not logged. */
function isLogged(request: FastifyRequest, level: 'debug' | 'info' | 'error'): boolean {
  return level !== 'debug' || request.log.level === 'debug' || request.log.level === 'trace';
}
