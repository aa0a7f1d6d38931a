import type { FastifyReply, FastifyRequest } from 'fastify';
import { Fault } from '#kernel/fault.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { QueueFull } from '../batch/group-commit.ts';
import { NoTurn } from '../postgres/read-turns.ts';
import { overloaded, queueFull } from './overloaded.ts';
import { ProblemError } from './problem-error.ts';
import type { EdgeProblemCode } from './problems.ts';
import { sendProblem } from './send.ts';

/** Turns whatever a hook, a parser or a handler threw into an answer. What was sent never makes a 5xx. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof ProblemError) {
    sendProblem(reply, error.problem, error.headers);
    return;
  }
  if (error instanceof QueueFull) {
    sendProblem(reply, queueFull());
    return;
  }
  if (error instanceof NoTurn) {
    sendProblem(reply, tooManyReads());
    return;
  }
  const refusal = frameworkRefusal(error);
  if (refusal !== undefined) {
    if (refusal.code === 'request.too_large') passOverBody(request, reply);
    sendProblem(reply, refusal);
    return;
  }
  sendProblem(reply, faultProblem(error, request));
}

/** As long as the largest file that a route takes. It is read and dropped, within the time of any request. */
const PASSED_OVER_BYTES = 64 * 1024 * 1024;

/**
 * Behind a body that is too large Fastify has the connection closed. Who is still sending it then is reset, and may never see
 * why (RFC 9112 §9.6): many a client reads no answer before it has sent everything. So the rest is read, as Node does with
 * every body that nobody wants, and the connection goes on. Who expects a 100 has the choice not to send it.
 */
function passOverBody({ headers }: FastifyRequest, reply: FastifyReply): void {
  if (headers.expect === undefined && Number(headers['content-length']) <= PASSED_OVER_BYTES)
    reply.removeHeader('connection');
}

/** Fastify's own errors about what was sent, by their code. */
const FRAMEWORK_PROBLEMS: Readonly<Record<string, { code: EdgeProblemCode; detail: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'request.unsupported_media_type',
    detail: 'The Content-Type is missing, or is none that this operation takes.',
  },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'request.too_large', detail: 'The body is larger than is accepted.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'request.malformed',
    detail: 'The body has another length than Content-Length says.',
  },
  FST_ERR_BAD_URL: { code: 'request.malformed', detail: 'The target is not properly percent-encoded.' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'request.not_found', detail: 'No resource has an id as long as that.' },
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: {
    code: 'request.unsupported_media_type',
    detail: 'The Content-Type is missing.',
  },
};

function frameworkRefusal(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = Object.hasOwn(FRAMEWORK_PROBLEMS, code) ? FRAMEWORK_PROBLEMS[code] : undefined;
  if (known !== undefined) return problem(known.code, known.detail);
  // What else the framework blames on the request, such as a body that broke off.
  const status = 'statusCode' in error ? error.statusCode : undefined;
  const blamesRequest = typeof status === 'number' && status >= 400 && status < 500;
  return blamesRequest ? problem('request.malformed', 'The request could not be read.') : undefined;
}

/** A fault is told to the log, whole, and to the caller by name only. */
function faultProblem(error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Fault && error.transient) {
    request.log.warn({ err: error }, 'a request met a transient fault');
    return problem('service.unavailable', 'Something that this operation needs cannot be reached just now.');
  }
  request.log.error({ err: error }, 'a request met a fault');
  return problem('internal.fault', 'The operation failed; whether it took effect is told by repeating it.');
}

/** For the log it is an answer like others, without a line of its own. */
function tooManyReads(): Problem {
  return overloaded('Too many other requests of the same caller are waiting to read.', RETRY_READING_AFTER_S);
}

const RETRY_READING_AFTER_S = 1;
