/** What a request is told whose queue takes no more: come again. Whichever route meets it, the edge answers so. */
import { type Problem, problem } from '#kernel/problem.ts';

/** A worker that moves at all has emptied its queue by then. */
const RETRY_AFTER_S = 2;

export function queueFull(): Problem {
  return problem('service.overloaded', 'Too many requests are waiting to be decided.', {
    members: { retry_after_seconds: RETRY_AFTER_S },
  });
}
