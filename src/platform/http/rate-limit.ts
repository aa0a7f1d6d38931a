import type { FastifyReply } from 'fastify';
import { edgeProblem, type ProblemError } from './problem-error.ts';

/** Keys whose counts are kept at a time; the least recently used one is forgotten. */
const MAX_KEYS = 10_000;
const WINDOW_S = 1;

/** Counts one request of an API key and tells its caller what is left; the error, if nothing was. */
export type RateLimiter = (keyId: string, reply: FastifyReply) => ProblemError | undefined;

interface Window {
  /** On the clock of `performance`, which nobody sets back. */
  readonly endsAt: number;
  count: number;
}

/**
 * At most `perSecond` requests of one API key in a window that begins with the first of them, counted by this process alone.
 * Headers as in draft-ietf-httpapi-ratelimit-headers-10: the policy is named, `t` is in whole seconds from now.
 */
export function createRateLimiter(perSecond: number): RateLimiter {
  /** The least recently used key first. */
  const windows = new Map<string, Window>();
  const policy = `"key";q=${perSecond};w=${WINDOW_S}`;
  return (keyId, reply) => {
    const now = performance.now();
    const known = windows.get(keyId);
    const isOver = known === undefined || known.endsAt <= now;
    const window = isOver ? { endsAt: now + WINDOW_S * 1000, count: 0 } : known;
    window.count += 1;
    windows.delete(keyId);
    windows.set(keyId, window);
    const [oldest] = windows.keys();
    if (windows.size > MAX_KEYS && oldest !== undefined) windows.delete(oldest);
    const left = Math.max(0, perSecond - window.count);
    reply.header('ratelimit-policy', policy);
    reply.header('ratelimit', `"key";r=${left};t=${WINDOW_S}`);
    return window.count > perSecond ? tooMany(perSecond) : undefined;
  };
}

function tooMany(perSecond: number): ProblemError {
  return edgeProblem('request.rate_limited', `This API key may make ${perSecond} requests per second.`, {
    members: { retry_after_seconds: WINDOW_S },
  });
}
