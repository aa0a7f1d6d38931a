/**
 * How a request body becomes a value: stricter than JSON.parse wherever leniency would let what we act on differ from
 * what was sent, or from what another parser would read (RFC 8259 §4 and §9, RFC 7493).
 *
 * J1: the bytes are UTF-8; nothing is replaced by U+FFFD.
 * J2: no string or name holds a NUL or half a surrogate pair: PostgreSQL refuses the one, UTF-8 the other (DESIGN R6).
 * J3: a number that a double does not keep is refused, not rounded: integers beyond 2^53−1, 1e400, 1.00000000000000000001.
 * J4: a name stands once in an object. RFC 8259 leaves repeated names undefined: one parser keeps the first, one the
 *     last, and the two then disagree about an amount.
 * J5: no member is called `__proto__` or `constructor`.
 * J6: nesting is bounded.
 *
 * The usual body pays one pass over its characters and one over its members; what costs more runs only if that pass
 * saw something that needs it.
 */
import { isUtf8 } from 'node:buffer';
import type { Decision } from '#kernel/decision.ts';
import { accepted, refused } from '#kernel/decision.ts';
import type { FieldProblem, Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { isStorableText, MAX_JSON_DEPTH } from '#kernel/text.ts';
import { pointerStep } from './json-pointer.ts';
import type { EdgeProblemCode } from './problems.ts';
import { type JsonScan, scanJson } from './scan-json.ts';

/** J5 */
const FORBIDDEN_NAMES = new Set(['__proto__', 'constructor']);

/** The value of a JSON body, or what is wrong with it, every fault of it. */
export function parseJsonBody(bytes: Buffer): Decision<unknown, Problem<EdgeProblemCode>> {
  if (!isUtf8(bytes)) return refused(problem('request.malformed_json', 'The body is not valid UTF-8.')); // J1
  const text = bytes.toString('utf8');
  const scan = scanJson(text);
  if (scan.depth > MAX_JSON_DEPTH) return refused(tooDeep(scan.depth)); // J6
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refused(malformed(error));
  }
  const faults = faultsOf({ text, scan, value });
  return faults.length === 0 ? accepted(value) : refused(faulty(faults));
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

function faultsOf(body: { text: string; scan: JsonScan; value: unknown }): FieldProblem[] {
  const { text, scan, value } = body;
  const faults: FieldProblem[] = [];
  if (scan.members !== countMembers(value)) faults.push(...repeatedNames(text)); // J4
  if (scan.delicateNumbers) faults.push(...roundedNumbers(text)); // J3
  if (scan.unicodeEscapes || text.includes('__proto__') || text.includes('"constructor"')) {
    inspect(value, '', faults); // J2, J5
  }
  return faults;
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
    const at = pointer + pointerStep(name);
    if (!isStorableText(name)) {
      faults.push({
        pointer,
        code: 'unstorable_text',
        detail: 'has a member whose name holds a NUL or half a surrogate pair',
      });
    } else if (FORBIDDEN_NAMES.has(name)) {
      faults.push({ pointer: at, code: 'forbidden_name', detail: 'is a name that no member may have' });
    }
    inspect(item, at, faults);
  }
}

/** J3. Parses again, this time with the text of every number beside its value. */
function roundedNumbers(text: string): FieldProblem[] {
  const rounded: { holder: unknown; key: string }[] = [];
  const root: unknown = JSON.parse(
    text,
    function keepHolder(this: unknown, key: string, value: unknown, context?: { source?: string }) {
      if (typeof value === 'number' && isRounded(value, context?.source ?? ''))
        rounded.push({ holder: this, key });
      return value;
    },
  );
  if (rounded.length === 0) return [];
  const pointers = new Map<unknown, string>();
  locate(root, '', pointers);
  return rounded.map(({ holder, key }) => ({
    pointer: pointers.has(holder) ? pointers.get(holder) + pointerStep(key) : '',
    code: 'number_not_exact',
    detail: 'is a number that cannot be kept exactly (integers reach 2^53−1)',
  }));
}

function locate(value: unknown, pointer: string, pointers: Map<unknown, string>): void {
  if (typeof value !== 'object' || value === null) return;
  pointers.set(value, pointer);
  for (const [name, item] of Object.entries(value)) locate(item, pointer + pointerStep(name), pointers);
}

/** Whether reading `source` as a double lost what it said. A true fraction (0.1) is as good as a double can be. */
function isRounded(value: number, source: string): boolean {
  if (!Number.isInteger(value)) return !Number.isFinite(value);
  return !Number.isSafeInteger(value) || integerText(source) !== String(Math.abs(value));
}

/** The integer that a number's text stands for, in plain digits without sign; undefined if it is none. */
function integerText(source: string): string | undefined {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const significant = (whole + fraction).replace(/0+$/, '');
  const zeros = Number(exponent) - fraction.length + (whole.length + fraction.length - significant.length);
  if (/^0*$/.test(significant)) return '0';
  if (zeros < 0 || zeros > String(Number.MAX_SAFE_INTEGER).length) return undefined;
  return (significant + '0'.repeat(zeros)).replace(/^0+/, '');
}

/** J4. Where names stand twice, from the tokens of a text that is known to be valid JSON. */
function repeatedNames(text: string): FieldProblem[] {
  const faults: FieldProblem[] = [];
  const open: { names: Set<string> | undefined; pointer: string; next: string; index: number }[] = [];
  let expectsName = false;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]/gs)) {
    const top = open.at(-1);
    if (token === '{' || token === '[') {
      const pointer =
        top === undefined ? '' : top.pointer + pointerStep(top.names === undefined ? top.index : top.next);
      open.push({ names: token === '{' ? new Set() : undefined, pointer, next: '', index: 0 });
      expectsName = token === '{';
    } else if (token === '}' || token === ']') {
      open.pop();
      expectsName = false;
    } else if (token === ',') {
      if (top !== undefined) top.index += 1;
      expectsName = top?.names !== undefined;
    } else if (expectsName && top?.names !== undefined && token !== ':') {
      top.next = JSON.parse(token);
      if (top.names.has(top.next)) {
        faults.push({
          pointer: top.pointer + pointerStep(top.next),
          code: 'repeated_name',
          detail: 'stands twice in one object',
        });
      }
      top.names.add(top.next);
      expectsName = false;
    }
  }
  return faults;
}
