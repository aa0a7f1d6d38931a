/** What a request is told for which there is no room just now: come again. */
import { type Problem, problem } from '#kernel/problem.ts';

/** A worker that moves at all has emptied its queue by then. */
const QUEUE_EMPTIED_AFTER_S = 2;

export function overloaded(detail: string, retryAfterS: number): Problem {
  return problem('service.overloaded', detail, { members: { retry_after_seconds: retryAfterS } });
}

/** Of a queue that takes no more. Whichever route meets it, the edge answers so. */
export function queueFull(): Problem {
  return overloaded('Too many requests are waiting to be decided.', QUEUE_EMPTIED_AFTER_S);
}
