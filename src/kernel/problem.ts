/**
 * A problem is an expected refusal: a value, never thrown. Its code is registered once, in the `problems.ts`
 * of the service that owns it, and is stable for ever (RFC 9457 `code` extension member). What the code means
 * in HTTP stands in the registry too, so that only the edge has to read it.
 */
export interface ProblemDefinition {
  /** RFC 9457 status; read by the HTTP edge alone. */
  readonly status: number;
  /** Stable for the code: what happened, in a few words, the same for every occurrence. */
  readonly title: string;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** What the caller can do about it; shown on the reference page. */
  readonly remedy: string;
}

/** `ledger.insufficient_funds` → its definition. */
export type ProblemRegistry = Readonly<Record<string, ProblemDefinition>>;

/** One fault of the input: a JSON pointer (RFC 6901) to the field, a stable code, and a sentence. */
export interface FieldProblem {
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

export interface Problem<Code extends string = string> {
  readonly code: Code;
  /** For the caller, about this occurrence: the values that were in the way. Never SQL, secrets or stacks. */
  readonly detail: string;
  readonly errors?: readonly FieldProblem[];
  /** Extension members of this problem (RFC 9457 §3.2), `snake_case`, at least three characters. */
  readonly members?: Readonly<Record<string, string | number | boolean>>;
}

export function problem<Code extends string>(
  code: Code,
  detail: string,
  more: Pick<Problem, 'errors' | 'members'> = {},
): Problem<Code> {
  return { code, detail, ...more };
}
