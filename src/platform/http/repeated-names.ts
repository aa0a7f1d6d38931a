import type { FieldProblem } from '#kernel/problem.ts';
import { type Container, pointerIn, walkJson } from './walk-json.ts';

/** Where a name stands twice in one object of a valid JSON text: the first `most` of such places. */
export function repeatedNames(text: string, most: number): FieldProblem[] {
  const faults: FieldProblem[] = [];
  const seen = new Map<Container, Set<string>>();
  for (const { kind, text: name, holder } of walkJson(text)) {
    if (kind !== 'name' || holder === undefined) continue;
    const names = seen.get(holder) ?? new Set();
    seen.set(holder, names);
    if (names.has(name))
      faults.push({
        pointer: pointerIn(holder),
        code: 'repeated_name',
        detail: 'stands twice in one object',
      });
    if (faults.length === most) break;
    names.add(name);
  }
  return faults;
}
