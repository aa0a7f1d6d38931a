/**
 * How a request body becomes a value: stricter than JSON.parse wherever leniency would let what we act on differ from
 * what was sent, or from what another parser would read (RFC 8259 §4 and §9, RFC 7493).
 *
 * J1: the bytes are UTF-8; nothing is replaced by U+FFFD.
 * J2: no string or name holds a NUL or half a surrogate pair: PostgreSQL refuses the one, UTF-8 the other (DESIGN R6).
 * J3: a number that a double does not keep is refused, not rounded: integers beyond 2^53−1, 1e400, 1.00000000000000000001.
 * J4: a name stands once in an object. RFC 8259 leaves repeated names undefined: one parser keeps the first, one the
 *     last, and the two then disagree about an amount.
 * J5: no member is called `__proto__` or `constructor`, nor has a name that JSON would have to escape.
 * J6: nesting is bounded.
 * J7: a name is what was sent. V8 reads an escaped name as another one if it has lately seen an object of the same shape
 *     with that other name (`"\u00e9"` as `\`; nodejs/node#63785, V8 12.8 to 14.6 at least): one tenant's request could
 *     alter another's. A name that was misread always holds a backslash, so a text with such a name is read again in a
 *     realm that has seen nothing. As no such name is accepted (J5), what we store ourselves is never misread.
 *
 * The usual body pays one pass over its characters and one over its members; what costs more runs only if that pass
 * saw something that needs it.
 */
import { isUtf8 } from 'node:buffer';
import { runInNewContext } from 'node:vm';
import type { Decision } from '#kernel/decision.ts';
import { accepted, refused } from '#kernel/decision.ts';
import type { FieldProblem, Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { isMemberName, isStorableText, MAX_JSON_DEPTH } from '#kernel/text.ts';
import { pointerStep } from './json-pointer.ts';
import { listedFaults, MAX_FIELD_PROBLEMS } from './listed-faults.ts';
import type { EdgeProblemCode } from './problems.ts';
import { repeatedNames } from './repeated-names.ts';
import { roundedNumbers } from './rounded-numbers.ts';
import { type JsonScan, scanJson } from './scan-json.ts';

export interface JsonBodyOptions {
  /** J3 is left to who reads from the text the digits of the numbers that he acts on, and ignores all others. */
  readonly roundsNumbers?: boolean;
}

/** The value of a JSON body, or what is wrong with it: as many of its faults as an answer lists. */
export function parseJsonBody(
  bytes: Buffer,
  { roundsNumbers = false }: JsonBodyOptions = {},
): Decision<unknown, Problem<EdgeProblemCode>> {
  if (!isUtf8(bytes)) return refused(problem('request.malformed_json', 'The body is not valid UTF-8.')); // J1
  const text = bytes.toString('utf8');
  const scan = scanJson(text);
  if (scan.depth > MAX_JSON_DEPTH) return refused(tooDeep(scan.depth)); // J6
  let value: unknown;
  try {
    value = parse(text, scan);
  } catch (error) {
    return refused(malformed(error));
  }
  const faults = faultsOf({ text, scan, value, roundsNumbers });
  return faults.length === 0 ? accepted(value) : refused(faulty(faults));
}

// J7
function parse(text: string, scan: JsonScan): unknown {
  const value: unknown = JSON.parse(text);
  if (!scan.escapes || !hasBackslashedName(value)) return value;
  return structuredClone(runInNewContext('JSON.parse(text)', { text }));
}

function hasBackslashedName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, item]) => name.includes('\\') || hasBackslashedName(item));
}

/** A problem `request.invalid` about the fields at fault. */
export function faulty(errors: readonly FieldProblem[]): Problem<EdgeProblemCode> {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const where = first === undefined || first.pointer === '' ? 'The body' : first.pointer;
  return problem('request.invalid', `${where} ${first?.detail ?? 'is not valid'}${more}.`, { errors });
}

function malformed(error: unknown): Problem<EdgeProblemCode> {
  const position = error instanceof SyntaxError ? / at position \d+/.exec(error.message)?.[0] : undefined;
  return problem(
    'request.malformed_json',
    `The body is not valid JSON${position === undefined ? '' : `: the first fault is${position}`}.`,
  );
}

function tooDeep(depth: number): Problem<EdgeProblemCode> {
  return problem(
    'request.malformed_json',
    `The body nests ${depth} deep; at most ${MAX_JSON_DEPTH} is accepted.`,
  );
}

function faultsOf(body: {
  text: string;
  scan: JsonScan;
  value: unknown;
  roundsNumbers: boolean;
}): readonly FieldProblem[] {
  const { text, scan, value, roundsNumbers } = body;
  const most = MAX_FIELD_PROBLEMS;
  const repeated = scan.members === countMembers(value) ? [] : repeatedNames(text, most); // J4
  const rounded = scan.delicateNumbers && !roundsNumbers ? roundedNumbers(text, most) : []; // J3
  const suspicious = scan.escapes || text.includes('__proto__') || text.includes('"constructor"');
  const unusable: FieldProblem[] = [];
  if (suspicious) inspect(value, '', unusable); // J2, J5
  return listedFaults([...repeated, ...rounded, ...unusable]);
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item);
    return members;
  }
  for (const item of Object.values(value)) members += 1 + countMembers(item);
  return members;
}

function inspect(value: unknown, pointer: string, faults: FieldProblem[]): void {
  if (typeof value === 'string') {
    if (!isStorableText(value))
      faults.push({ pointer, code: 'unstorable_text', detail: 'holds a NUL or half a surrogate pair' });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    if (faults.length >= MAX_FIELD_PROBLEMS) return;
    const at = pointer + pointerStep(name);
    if (!name.isWellFormed()) {
      faults.push({
        pointer,
        code: 'unstorable_text',
        detail: 'has a member whose name holds half a surrogate pair',
      });
    } else if (!isMemberName(name)) {
      faults.push({ pointer: at, code: 'forbidden_name', detail: 'is a name that no member may have' });
    }
    inspect(item, at, faults);
  }
}
