import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { edgeProblem, type ProblemError } from './problem-error.ts';

/** Keys whose counts are kept at a time; the least recently used one is forgotten. */
const MAX_KEYS = 10_000;

/** Counts one request of its caller and tells the caller what is left; the error, if nothing is. */
export type RateLimiter = (request: FastifyRequest, reply: FastifyReply) => Promise<ProblemError | undefined>;

/**
 * At most `perSecond` requests of one API key in any second-long window, counted by this process alone. Headers as in
 * draft-ietf-httpapi-ratelimit-headers-10: the policy is named, `t` is in seconds from now.
 */
export async function createRateLimiter(app: FastifyInstance, perSecond: number): Promise<RateLimiter> {
  await app.register(rateLimit, {
    global: false,
    max: perSecond,
    timeWindow: 1000,
    cache: MAX_KEYS,
    keyGenerator: (request) => request.caller?.keyId ?? '',
  });
  const count = app.createRateLimit();
  const policy = `"key";q=${perSecond};w=1`;
  return async (request, reply) => {
    const usage = await count(request);
    if (usage.isAllowed) return undefined;
    reply.header('ratelimit-policy', policy);
    reply.header('ratelimit', `"key";r=${usage.remaining};t=${usage.ttlInSeconds}`);
    return usage.isExceeded ? tooMany(perSecond, usage.ttlInSeconds) : undefined;
  };
}

function tooMany(perSecond: number, retryAfterS: number): ProblemError {
  return edgeProblem('request.rate_limited', `This API key may make ${perSecond} requests per second.`, {
    members: { retry_after_seconds: Math.max(1, retryAfterS) },
  });
}
