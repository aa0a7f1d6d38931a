/** `Prefer: wait`: the answer to what was accepted is its final state, if that comes in time. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Id, uuidOf } from '#kernel/ids.ts';
import type { CommandOutcome } from '#platform/batch/command-worker.ts';
import { sendOutcome } from '#platform/http/command-route.ts';
import { parsePreferWait } from '#platform/http/prefer-wait.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { sendJsonText } from '#platform/http/send.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { type FinalStates } from './final-states.ts';

export interface FinalAnswer<Resource extends { readonly status: string }> {
  readonly states: FinalStates<Resource>;
  readonly render: (resource: Resource) => JsonObject;
}

/** What a 202 of ours says, as far as it matters here. */
interface Accepted {
  readonly id: Id<'pay' | 'ref'>;
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
