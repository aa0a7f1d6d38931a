/**
 * From a request to a command in a batch and back: what every route that changes something does alike. Whether it needs
 * an idempotency key stands in its config (`idempotencyKey`), where the API document reads it too. The order of
 * its refusals: shape (before the handler) → idempotency key → admission, unless the key was decided before → what the
 * batch decides.
 *
 * What the worker rejects with, because its commit did not happen or cannot be known, is thrown on: the edge answers a
 * transient fault with 503 `service.unavailable` and `Retry-After`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { newId } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command } from '../batch/command.ts';
import { type CommandOutcome, QueueFull } from '../batch/command-worker.ts';
import { parseIdempotencyKey, requireIdempotencyKey } from './idempotency-key.ts';
import { queueFull } from './overloaded.ts';
import { PROBLEM_MEDIA_TYPE } from './render-problem.ts';
import { contextOf } from './request-context.ts';
import { sendProblem } from './send.ts';

const JSON_MEDIA_TYPE = 'application/json; charset=utf-8';

/** What a route hands its commands to: a `CommandWorker`. */
export interface CommandQueue<Body> {
  submit(command: Command<Body>): Promise<CommandOutcome>;
}

/** Whether a route takes commands in just now. */
export interface Admission<Body> {
  /** Why not: its problem is the answer, which is not stored. How backpressure says 503. */
  obstacle(command: Command<Body>): Problem | undefined;
  /** What the command's key was answered before: that is the answer whatever the obstacle (DESIGN §6). */
  findDecided(command: Command): Promise<CommandOutcome | undefined>;
}

export interface CommandOrder<Body> {
  /** `payments.create`: with the tenant, the scope of idempotency keys; aliases of a route share it. */
  readonly operation: string;
  /** As validated. It is compared with the body of an earlier request under the same key, so keep what was sent. */
  readonly body: Body;
  /** Of the resource that it makes or changes. */
  readonly id: string;
  /** What was looked up for it, which is not compared. */
  readonly found?: unknown;
  /** Asked before the command is handed over, where something may stand in its way. */
  readonly admission?: Admission<Body>;
}

/** Runs the command and answers with what was decided. */
export async function runCommand<Body>(
  request: FastifyRequest,
  reply: FastifyReply,
  queue: CommandQueue<Body>,
  order: CommandOrder<Body>,
): Promise<FastifyReply> {
  const outcome = await submitCommand(request, queue, order);
  return outcome.ok ? sendOutcome(reply, outcome.value) : sendProblem(reply, outcome.problem);
}

/** For a route that does more before it answers: the outcome, or the refusal of a request that never got into a batch. */
export async function submitCommand<Body>(
  request: FastifyRequest,
  queue: CommandQueue<Body>,
  order: CommandOrder<Body>,
): Promise<Decision<CommandOutcome>> {
  const key = idempotencyKeyOf(request);
  if (!key.ok) return key;
  const command = commandOf(request, order, key.value);
  const obstacle = order.admission?.obstacle(command);
  if (obstacle !== undefined) return decidedOr(obstacle, command, order.admission);
  try {
    return accepted(await queue.submit(command));
  } catch (error) {
    if (error instanceof QueueFull) return decidedOr(queueFull(), command, order.admission);
    throw error;
  }
}

function commandOf<Body>(
  request: FastifyRequest,
  { operation, body, id, found }: CommandOrder<Body>,
  idempotencyKey: string | undefined,
): Command<Body> {
  const { tenant, correlationId, traceparent, keyId } = contextOf(request);
  return {
    operation,
    tenant,
    idempotencyKey,
    body,
    id,
    requestId: newId('req'),
    correlationId,
    traceparent: traceparent ?? null,
    actor: keyId,
    found,
  };
}

async function decidedOr<Body>(
  obstacle: Problem,
  command: Command<Body>,
  admission: Admission<Body> | undefined,
): Promise<Decision<CommandOutcome>> {
  const decided = await admission?.findDecided(command);
  return decided === undefined ? refused(obstacle) : accepted(decided);
}

function idempotencyKeyOf(request: FastifyRequest) {
  const { config, url } = request.routeOptions;
  if (config.idempotencyKey === undefined)
    throw new InvariantViolation(`${url} runs commands and must say in its config whether it needs a key`);
  return config.idempotencyKey === 'required'
    ? requireIdempotencyKey(request.raw)
    : parseIdempotencyKey(request.raw);
}

/** Sends the decided bytes as they are; an answer of 400 or more is a problem. Says so if they were decided before (U1). */
export function sendOutcome(reply: FastifyReply, { answer, replayed }: CommandOutcome): FastifyReply {
  if (replayed) reply.header('idempotency-replayed', 'true');
  return reply
    .code(answer.status)
    .header('content-type', answer.status < 400 ? JSON_MEDIA_TYPE : PROBLEM_MEDIA_TYPE)
    .send(answer.body);
}
