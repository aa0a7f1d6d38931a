/**
 * Whether a dead letter may be replayed with other data. An edit mends an event that cannot be handled; it is no way to
 * have something else happen than what the event tells.
 *
 * E1: the data keeps the contract of the event's type and version.
 * E2: what moves nothing may be edited freely: texts that people read, and the caller's own bag. Every other member is as
 *     the event has it, and is there if it is there.
 * E3: a term (between whom, how much, by what method) that the event's contract asks for, and that the event lacks or has
 *     malformed, is as the first other event of the subject that tells all terms has it. An attempt, a step, an outcome or
 *     any other id is told by one event alone, so that nothing can say what it should have been.
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
  /** The same of the original. */
  readonly originalFaults: readonly FieldProblem[] | undefined;
}

/**
 * E2. Consumers hand these on, or leave them, and decide nothing by them. Not `code`, by which callers decide, not
 * `reason`, which is told in the name of the event's `actor`, and not `reference`, which tells one payment from another.
 */
export const FREE_MEMBERS: ReadonlySet<string> = new Set(['description', 'detail', 'metadata']);

/** E3. Told together: an event with an amount alone may tell that of an attempt, or of a part. */
const TERMS = ['wallet_id', 'service_id', 'amount', 'currency', 'method'];
/** E3. What all events of a subject agree on that tell its terms; a refund's tell their payment as well. */
export const AGREED_MEMBERS: ReadonlySet<string> = new Set([...TERMS, 'payment_id']);

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
  const changed = changedMembers(edit);
  if (changed.length === 0) return undefined;
  const errors = changed.map((member) => ({
    pointer: `/data${pointerStep(member)}`,
    code: 'differs',
    detail: 'differs from what the event says, or, where it says nothing, from the terms of its subject',
  }));
  return problem('dead_letters.terms_changed', `An edit cannot change ${changed.join(', ')}.`, { errors });
}

/** E2, E3 */
function changedMembers(edit: Edit): string[] {
  const { data, original } = edit;
  const members = new Set([...Object.keys(data), ...Object.keys(membersOf(original))]);
  return [...members].filter(
    (member) =>
      !FREE_MEMBERS.has(member) &&
      !isEqual(valueOf(data, member), valueOf(membersOf(original), member)) &&
      !isMended(edit, member),
  );
}

/** E3 */
function isMended({ data, original, timeline, originalFaults }: Edit, member: string): boolean {
  if (!AGREED_MEMBERS.has(member) || !tellsTerms(data) || !isFaulty(originalFaults, member)) return false;
  const told = timeline.map((event) => (isSame(event, original) ? {} : membersOf(event))).find(tellsTerms);
  const value = valueOf(data, member);
  return told !== undefined && value !== undefined && isEqual(value, valueOf(told, member));
}

function isFaulty(faults: readonly FieldProblem[] | undefined, member: string): boolean {
  const at = `/data${pointerStep(member)}`;
  return faults?.some(({ pointer }) => pointer === at || pointer.startsWith(`${at}/`)) === true;
}

function tellsTerms(data: JsonObject): boolean {
  return TERMS.every((member) => Object.hasOwn(data, member));
}

/** What has brought an event here may be that its data is no object. */
function membersOf(event: LogEvent): JsonObject {
  const data = event.data as JsonValue;
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? (data as JsonObject) : {};
}

function valueOf(data: JsonObject, member: string): JsonValue | undefined {
  return Object.hasOwn(data, member) ? data[member] : undefined;
}

function isSame(a: LogEvent, b: LogEvent): boolean {
  return a.topic === b.topic && a.partition === b.partition && a.position === b.position;
}

function isEqual(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}
