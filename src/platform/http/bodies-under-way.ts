/**
 * How much of the bodies that are still arriving is held in memory: bounded for each caller, so that one who opens many and
 * ends none takes no more than that. A body that says how long it is is refused before it is read, one that does not where
 * it is too much.
 */
import { Transform } from 'node:stream';
import type { FastifyReply, FastifyRequest, preParsingHookHandler, RequestPayload } from 'fastify';
import { callerOf, HeldBytes } from './held-bytes.ts';
import { overloaded } from './overloaded.ts';
import { ProblemError } from './problem-error.ts';

const MEBIBYTE = 1024 * 1024;
/** Bodies are here within milliseconds; so much of one caller's are on their way only over slow lines, or for harm. */
const LEAST_BOUND_BYTES = 32 * MEBIBYTE;
/** The bound is no fewer bodies of the largest size than that. */
const LEAST_BODIES = 4;
/** A Content-Length of fewer digits is not counted: the connection itself costs as much. */
const COUNTED_DIGITS = 5;

export function boundBodiesUnderWay(bodyLimitBytes: number): preParsingHookHandler {
  const bound = Math.max(LEAST_BOUND_BYTES, LEAST_BODIES * bodyLimitBytes);
  const held = new HeldBytes(bound);
  return (request, reply, payload, done) => {
    const length = request.headers['content-length'];
    // A caller may have gone while his key was looked up: no more of his body comes, and nothing would tell of its end.
    if (request.raw.socket.destroyed) done(null, payload);
    else if (length !== undefined && length.length < COUNTED_DIGITS) done(null, payload);
    else if (length !== undefined)
      takeDeclared(held, { request, reply, payload, declared: Number(length) }, done);
    else if (request.headers['transfer-encoding'] === undefined) done(null, payload);
    else done(null, counted(held, { request, reply, payload }));
  };
}

interface Body {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly payload: RequestPayload;
}

function takeDeclared(
  held: HeldBytes,
  body: Body & { readonly declared: number },
  done: (error: ProblemError | null, payload?: RequestPayload) => void,
): void {
  const { request, payload } = body;
  const caller = callerOf(request);
  const bytes = Math.min(body.declared, limitOf(request));
  if (!held.take(caller, bytes)) {
    done(tooMuch());
    return;
  }
  onceOver(body, () => held.giveBack(caller, bytes));
  done(null, payload);
}

/** Passes the body on, and breaks off where there is no more room. */
function counted(held: HeldBytes, body: Body): Transform {
  const { request, payload } = body;
  const caller = callerOf(request);
  const limit = limitOf(request);
  let taken = 0;
  const passing = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      const bytes = Math.min(chunk.length, limit - taken);
      if (!held.take(caller, bytes)) return pass(tooMuch());
      taken += bytes;
      return pass(null, chunk);
    },
  });
  onceOver(body, () => {
    held.giveBack(caller, taken);
    if (!payload.readableEnded) passing.destroy();
  });
  return payload.pipe(passing);
}

/**
 * It has arrived, or never will. What is answered before it has arrived, as too large, is not kept; Node tells of the end of
 * such a body only if its connection goes on.
 */
function onceOver({ payload, reply }: Body, work: () => void): void {
  let isOver = false;
  const end = (): void => {
    if (!isOver) work();
    isOver = true;
  };
  payload.once('end', end);
  payload.once('close', end);
  reply.raw.once('close', end);
}

/** More than that is not held of one body. */
function limitOf(request: FastifyRequest): number {
  return request.routeOptions.bodyLimit;
}

function tooMuch(): ProblemError {
  return new ProblemError(
    overloaded('Too much of other bodies of the same caller is still arriving.', RETRY_AFTER_S),
  );
}

/** Bodies on their way over a slow line have arrived by then, or are cut off soon. */
const RETRY_AFTER_S = 2;
