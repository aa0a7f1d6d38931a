/** `Prefer: wait`: the answer to what was accepted is its final state, if that comes in time. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Id, type IdPrefix, uuidOf } from '#kernel/ids.ts';
import type { CommandOutcome } from '../batch/command-worker.ts';
import type { JsonObject } from '../log/event.ts';
import { sendOutcome } from './command-route.ts';
import type { FinalStates } from './final-states.ts';
import { parsePreferWait } from './prefer-wait.ts';
import { contextOf } from './request-context.ts';
import { sendJsonText } from './send.ts';

export interface FinalAnswer<Resource extends { readonly status: string }> {
  readonly states: FinalStates<Resource>;
  readonly render: (resource: Resource) => JsonObject;
}

/** What a 202 of ours says, as far as it matters here. */
interface Accepted {
  readonly id: Id<IdPrefix>;
  readonly status: string;
}

/**
 * Sends the outcome, or instead of a 202 the resource with 200, if the caller wants to wait and it ends in time. What
 * had a final status when the request was accepted is waited for until it has another.
 */
export async function sendFinalOr<Resource extends { readonly status: string }>(
  incoming: FastifyRequest,
  reply: FastifyReply,
  outcome: CommandOutcome,
  final: FinalAnswer<Resource>,
): Promise<FastifyReply> {
  const { answer, replayed } = outcome;
  const waitS = answer.status === 202 ? parsePreferWait(incoming.headers['prefer']) : undefined;
  if (waitS === undefined) return sendOutcome(reply, outcome);
  const ended = await finalState(incoming, final, { accepted: JSON.parse(answer.body) as Accepted, waitS });
  reply.header('preference-applied', `wait=${waitS}`);
  if (ended === undefined) return sendOutcome(reply, outcome);
  if (replayed) reply.header('idempotency-replayed', 'true');
  return sendJsonText(reply, { status: 200, body: JSON.stringify(final.render(ended)) });
}

/** It is accepted whatever happens to the wait: a read that fails leaves the stored 202 as the answer. */
async function finalState<Resource extends { readonly status: string }>(
  incoming: FastifyRequest,
  { states }: FinalAnswer<Resource>,
  { accepted: { id, status }, waitS }: { accepted: Accepted; waitS: number },
): Promise<Resource | undefined> {
  try {
    return await states.wait(contextOf(incoming).tenant, uuidOf(id), waitS * 1000, status);
  } catch (error) {
    incoming.log.warn({ err: error }, 'the final state could not be read; answered with what was accepted');
    return undefined;
  }
}
