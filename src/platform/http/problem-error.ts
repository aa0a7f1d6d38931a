import type { FieldProblem, Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import type { EdgeProblemCode } from './problems.ts';

/**
 * A problem on its way out of a hook, a parser or a validator, which Fastify lets refuse by an error only. Handlers
 * send problems with `sendProblem`; they throw faults.
 */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;
  /** For the answer, beside or instead of those that the problem itself asks for. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(refusal: Problem, headers: Readonly<Record<string, string>> = {}) {
    super(refusal.detail);
    this.problem = refusal;
    this.headers = headers;
  }
}

/** The error for one of the edge's own problems. */
export function edgeProblem(
  code: EdgeProblemCode,
  detail: string,
  more: Pick<Problem, 'errors' | 'members'> = {},
): ProblemError {
  return new ProblemError(problem(code, detail, more));
}

/** The error for one faulty parameter: `where` is its pointer, `/query/limit`. */
export function parameterProblem(where: string, code: string, detail: string): ProblemError {
  const fault: FieldProblem = { pointer: where, code, detail };
  return edgeProblem('request.invalid_parameter', `${where}: ${detail}`, { errors: [fault] });
}
