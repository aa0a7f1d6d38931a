/**
 * The canonical form of JSON, RFC 8785 (JCS), made by the `canonicalize` package: members sorted by UTF-16 code
 * units, no spaces, numbers as ECMAScript prints them. Requests are compared and fingerprinted in this form, so
 * that neither the order of members nor spaces nor `1.0` for `1` make another request of it.
 *
 * Its edges, all held by tests: `-0` is `0`; NaN, the infinities and lone surrogates throw, in names too (RFC
 * 8785 §3.2.2.2, I-JSON); a bigint throws; a member that is `undefined` is left out, as in JSON.stringify.
 *
 * Numbers are IEEE doubles, as the RFC has it, and the digits that JSON.parse rounds away are not seen again:
 * 9007199254740993 and 9007199254740992 are one value here, 0.1 and 0.10000000000000000001 too. It is harmless
 * to money, as amounts beyond 2^53 − 1 are refused, but do not compare other big integers through it.
 */
import canonicalize from 'canonicalize';
import { InvariantViolation } from './fault.ts';

/** A caller who changed more than this many members meant another request: enough to say so. */
export const MAX_DIFFERING_POINTERS = 20;

/** Throws for what has no canonical form (see the file's head), InvariantViolation for undefined. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new InvariantViolation(`no JSON value: ${typeof value}`);
  return text;
}

/**
 * RFC 6901 pointers to the members that were added, removed or changed between two JSON values, sorted, the
 * first MAX_DIFFERING_POINTERS met in canonical order. It descends into objects by name and into arrays by
 * index; a member of another kind (an object where a number was) is one difference, and `''` is the whole value.
 * Empty exactly if the canonical forms are equal. U1: these are the fields a 422 names.
 */
export function differingPointers(before: unknown, after: unknown): string[] {
  const found: string[] = [];
  // A list of work and no recursion: stored bodies may be older than today's bound on depth.
  const waiting: Pair[] = [{ pointer: '', before, after }];
  while (found.length < MAX_DIFFERING_POINTERS) {
    const pair = waiting.pop();
    if (pair === undefined) break;
    const members = membersOf(pair);
    if (members === undefined) {
      if (!isSameScalar(pair)) found.push(pair.pointer);
      continue;
    }
    // One by one: as arguments of one call a hundred thousand members overflow the stack.
    for (const member of members.toReversed()) waiting.push(member);
  }
  return found.toSorted();
}

interface Pair {
  readonly pointer: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The members to compare, in canonical order; undefined unless both sides are objects, or both arrays. */
function membersOf({ pointer, before, after }: Pair): Pair[] | undefined {
  if (!isContainer(before) || !isContainer(after)) return undefined;
  if (Array.isArray(before) !== Array.isArray(after)) return undefined;
  return namesOf(before, after).map((name) => ({
    pointer: `${pointer}/${escapeName(name)}`,
    before: memberOf(before, name),
    after: memberOf(after, name),
  }));
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Own names only: a body may well have a member called `constructor`. */
function memberOf(container: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(container, name)?.value;
}

/** Names in canonical order; of arrays the indices of the longer one, which come ascending. */
function namesOf(before: object, after: object): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return Array.isArray(before) ? names : names.toSorted();
}

/** `===` takes -0 for 0, as the canonical form does, and undefined for absent. */
function isSameScalar({ before, after }: Pair): boolean {
  return before === after;
}

/** RFC 6901 §3: `~` first, so that the `~1` of a slash is not escaped again. */
function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
