/** A request that changes something outside of a worker's batches, answered once for its idempotency key (U1). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Problem } from '#kernel/problem.ts';
import type { CommandOutcome } from '../batch/command-worker.ts';
import type { AskedOnce } from '../batch/kept-answers.ts';
import type { Answer } from '../idempotency/idempotency.ts';
import { sendOutcome } from './command-route.ts';
import { parseIdempotencyKey } from './idempotency-key.ts';
import { renderProblem } from './render-problem.ts';
import { contextOf } from './request-context.ts';
import { sendProblem } from './send.ts';

/** What `answer` decides is sent with the bytes that it keeps for the copies of the request. */
export async function answerOnce(
  request: FastifyRequest,
  reply: FastifyReply,
  order: Omit<AskedOnce, 'tenant' | 'key'>,
  answer: (asked: AskedOnce) => Promise<CommandOutcome>,
): Promise<FastifyReply> {
  const key = parseIdempotencyKey(request.raw);
  if (!key.ok) return sendProblem(reply, key.problem);
  const { tenant } = contextOf(request);
  return sendOutcome(reply, await answer({ ...order, tenant, key: key.value }));
}

/** A refusal as it is kept and sent. */
export function refusalIn(reply: FastifyReply, refused: Problem): Answer {
  const { status, body } = renderProblem(reply.server.problems, refused);
  return { status, body };
}
