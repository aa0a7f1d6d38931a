import type { Problem } from './problem.ts';

/** What a decider answers: the value it decided, or the problem that stands in its way. */
export type Decision<Value, P extends Problem = Problem> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: P };

export function accepted<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value };
}

export function refused<P extends Problem>(reason: P): { readonly ok: false; readonly problem: P } {
  return { ok: false, problem: reason };
}
