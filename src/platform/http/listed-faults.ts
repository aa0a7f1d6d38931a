/** What is told of the faults of a request, or of a message: a pointer may be as long as the body that it leads into, and what is allowed there as long as its schema. */
import type { FieldProblem } from '#kernel/problem.ts';

/** More faults than this in one answer help nobody. */
export const MAX_FIELD_PROBLEMS = 100;
/** Of a pointer, and of what is said of its place. */
const TEXT_MAX = 2048;
/** Of all that is told, in bytes of JSON: a hundred usual faults have a third of it. */
const LIST_MAX = 32 * 1024;

/** The first of them, as far as there is room; one at least. */
export function listedFaults(faults: readonly FieldProblem[]): FieldProblem[] {
  const listed: FieldProblem[] = [];
  let room = LIST_MAX;
  for (const { pointer, code, detail } of faults.slice(0, MAX_FIELD_PROBLEMS)) {
    const told = { pointer: shortened(pointer), code, detail: shortened(detail) };
    room -= Buffer.byteLength(JSON.stringify(told));
    if (room < 0) break;
    listed.push(told);
  }
  return listed;
}

function shortened(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1).toWellFormed()}…`;
}
