import type { FastifyReply } from 'fastify';
import type { Problem, ProblemRegistry } from '#kernel/problem.ts';
import { renderProblem } from './render-problem.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Every problem that the app can answer, by code. */
    problems: ProblemRegistry;
  }
}

/** Answers with a problem, from a handler: `if (!decision.ok) return sendProblem(reply, decision.problem)`. */
export function sendProblem(
  reply: FastifyReply,
  problem: Problem,
  more: Readonly<Record<string, string>> = {},
): FastifyReply {
  const { status, body, headers } = renderProblem(reply.server.problems, problem);
  return reply.code(status).headers(headers).headers(more).send(body);
}

/**
 * Answers with JSON that is rendered already: what was stored for a replay, or what a hot route rendered itself. Takes
 * the bytes as they are, past the serializer.
 */
export function sendJsonText(
  reply: FastifyReply,
  answer: { status: number; body: string | Buffer },
): FastifyReply {
  return reply
    .code(answer.status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(answer.body);
}
