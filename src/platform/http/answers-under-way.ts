/**
 * How much of answers that are not taken is held in memory: bounded for each caller, so that one who asks for many and reads
 * none takes no more than that. What is decided stays decided: its answer comes when it is asked for again.
 */
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, onSendHookHandler } from 'fastify';
import { callerOf, HeldBytes } from './held-bytes.ts';
import { overloaded } from './overloaded.ts';
import { ProblemError } from './problem-error.ts';

/** A page of 500 with all that they may carry is 8 MB; whoever reads has taken it within milliseconds. */
const BOUND_BYTES = 64 * 1024 * 1024;
/** A shorter answer is not counted: the connection itself costs as much. */
const COUNTED_BYTES = 10_000;
/** Who reads slowly has taken something by then. */
const RETRY_AFTER_S = 2;

export function boundAnswersUnderWay(): onSendHookHandler {
  const held = new HeldBytes(BOUND_BYTES);
  return (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: HookHandlerDoneFunction) => {
    const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0;
    // Of a caller who has gone nothing is held, and nothing would tell of its end.
    if (bytes < COUNTED_BYTES || request.raw.socket.destroyed) {
      done();
      return;
    }
    const caller = callerOf(request);
    if (held.take(caller, bytes)) {
      onceGone(request, reply, () => held.giveBack(caller, bytes));
      done();
    } else done(tooMuch());
  };
}

/** It is sent, or never will be: an answer that waits behind another is not told of the end of its connection. */
function onceGone(request: FastifyRequest, reply: FastifyReply, work: () => void): void {
  const ends = endsOn(request.raw.socket);
  const end = (): void => {
    if (ends.delete(end)) work();
  };
  ends.add(end);
  reply.raw.once('close', end);
}

/** What is to be done when a connection ends. One listener for all its answers: of more than ten Node warns. */
const endsBySocket = new WeakMap<Socket, Set<() => void>>();

function endsOn(socket: Socket): Set<() => void> {
  const known = endsBySocket.get(socket);
  if (known !== undefined) return known;
  const ends = new Set<() => void>();
  endsBySocket.set(socket, ends);
  socket.once('close', () => {
    for (const end of ends) end();
  });
  return ends;
}

function tooMuch(): ProblemError {
  return new ProblemError(
    overloaded('Too much of other answers of the same caller has not been taken.', RETRY_AFTER_S),
  );
}
