/**
 * Whether a dead letter may be replayed with other data. An edit mends an event that cannot be handled; it is no way to
 * move other money than was asked for, or to somebody else.
 *
 * E1: the data keeps the contract of the event's type and version.
 * E2: a term (who pays whom, how much, by what method; ids) is as the event tells it, or as the first other event about the
 *     subject does. What neither tells is free.
 */
import { canonicalJson } from '#kernel/canonical-json.ts';
import { type FieldProblem, type Problem, problem } from '#kernel/problem.ts';
import { pointerStep } from '../http/json-pointer.ts';
import type { JsonObject, JsonValue, LogEvent } from '../log/event.ts';
import type { DeadLetterProblemCode } from './problems.ts';

export interface Edit {
  readonly data: JsonObject;
  readonly original: LogEvent;
  /** About the same subject, oldest first; the original may be among them. */
  readonly timeline: readonly LogEvent[];
  /** What of the data breaks the contract; undefined if there is no contract of the type and version. */
  readonly faults: readonly FieldProblem[] | undefined;
}

const TERMS: ReadonlySet<string> = new Set(['amount', 'currency', 'method', 'postings']);

function isTerm(member: string): boolean {
  return TERMS.has(member) || member.endsWith('_id');
}

export function objectionTo(edit: Edit): Problem<DeadLetterProblemCode> | undefined {
  const { original, faults } = edit;
  const contract = `${original.type}, version ${original.version}`;
  if (faults === undefined)
    return problem(
      'dead_letters.invalid_data',
      `There is no contract of ${contract} to hold the data against.`,
    );
  if (faults.length > 0)
    return problem('dead_letters.invalid_data', `The data is not what ${contract} tells.`, {
      errors: faults,
    });
  const changed = changedTerms(edit);
  if (changed.length === 0) return undefined;
  const errors = changed.map((member) => ({
    pointer: `/data${pointerStep(member)}`,
    code: 'differs',
    detail: 'differs from what the event and the first event of its subject say',
  }));
  return problem('dead_letters.terms_changed', `An edit cannot change ${changed.join(', ')}.`, { errors });
}

/** E2 */
function changedTerms({ data, original, timeline }: Edit): string[] {
  const others = timeline.filter((event) => !isSame(event, original));
  const members = new Set([...Object.keys(data), ...Object.keys(original.data)].filter(isTerm));
  return [...members].filter((member) => {
    const told = others.find((event) => event.data[member] !== undefined)?.data[member];
    const said = [original.data[member], told].filter((value) => value !== undefined);
    return said.length > 0 && !said.some((value) => isEqual(value, data[member]));
  });
}

function isSame(a: LogEvent, b: LogEvent): boolean {
  return a.topic === b.topic && a.partition === b.partition && a.position === b.position;
}

function isEqual(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b);
}
