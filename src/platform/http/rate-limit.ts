import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit';
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
    store: Counts,
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

interface Window {
  readonly startedAt: number;
  count: number;
}

/**
 * What was counted of each key. Each request is told its own number: the plugin's store gives all that are counted at once one
 * object, in which each of them finds the number of the last.
 */
class Counts implements FastifyRateLimitStore {
  /** The least recently used key first. */
  readonly #windows = new Map<string, Window>();

  incr(
    key: string,
    done: (error: Error | null, result?: { current: number; ttl: number }) => void,
    windowMs: number,
  ): void {
    const now = Date.now();
    const window = this.#windowAt(now, key, windowMs);
    window.count += 1;
    this.#windows.delete(key);
    this.#windows.set(key, window);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > MAX_KEYS && oldest !== undefined) this.#windows.delete(oldest);
    done(null, { current: window.count, ttl: window.startedAt + windowMs - now });
  }

  child(): this {
    return this;
  }

  #windowAt(now: number, key: string, windowMs: number): Window {
    const known = this.#windows.get(key);
    const isOver = known === undefined || known.startedAt + windowMs <= now;
    return isOver ? { startedAt: now, count: 0 } : known;
  }
}

function tooMany(perSecond: number, retryAfterS: number): ProblemError {
  return edgeProblem('request.rate_limited', `This API key may make ${perSecond} requests per second.`, {
    members: { retry_after_seconds: Math.max(1, retryAfterS) },
  });
}
