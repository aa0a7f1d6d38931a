import { InvariantViolation } from '#kernel/fault.ts';
import type { Problem, ProblemRegistry } from '#kernel/problem.ts';
import { listedFaults } from './listed-faults.ts';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

/** Seconds. What a caller is told to wait when the problem itself does not say. */
const DEFAULT_RETRY_AFTER_S = 1;

/** Statuses whose answers say when to come again. */
const RETRY_AFTER_STATUSES = new Set([429, 503]);

/** A problem as it goes over the wire. The body depends on the problem alone, so it can be stored and replayed. */
export interface RenderedProblem {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A problem in RFC 9457's form: `type` is the path of its page, `title` is the registry's, `code`, `errors` and the
 * problem's own members are extension members. A member `retry_after_seconds` also becomes the header.
 * Throws InvariantViolation for a code that nobody registered.
 */
export function renderProblem(registry: ProblemRegistry, problem: Problem): RenderedProblem {
  const definition = Object.hasOwn(registry, problem.code) ? registry[problem.code] : undefined;
  if (definition === undefined) throw new InvariantViolation(`no such problem: ${problem.code}`);
  const body = JSON.stringify({
    type: `/problems/${problem.code}`,
    title: definition.title,
    status: definition.status,
    detail: problem.detail,
    code: problem.code,
    ...(problem.errors === undefined ? {} : { errors: listedFaults(problem.errors) }),
    ...problem.members,
  });
  return { status: definition.status, body, headers: headersOf(definition.status, problem) };
}

function headersOf(status: number, problem: Problem): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': PROBLEM_MEDIA_TYPE };
  const retryAfterS = problem.members?.['retry_after_seconds'];
  if (retryAfterS !== undefined || RETRY_AFTER_STATUSES.has(status)) {
    headers['retry-after'] = String(retryAfterS ?? DEFAULT_RETRY_AFTER_S);
  }
  if (problem.code === 'access.unauthenticated') headers['www-authenticate'] = 'Bearer realm="lastro"';
  if (problem.code === 'access.forbidden') {
    headers['www-authenticate'] =
      `Bearer realm="lastro", error="insufficient_scope", scope="${String(problem.members?.['scope'] ?? '')}"`;
  }
  return headers;
}
