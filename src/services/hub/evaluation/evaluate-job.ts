/** One job, whatever it brings: JSONata and JSON Schema over one message. Bounded from outside (evaluator.ts). */
import jsonata from 'jsonata';
import { assertNever } from '#kernel/fault.ts';
import { isMemberName, isStorableJson, MAX_JSON_DEPTH } from '#kernel/text.ts';
import { createFaultFinder, type FaultFinder } from '#platform/http/validation.ts';
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import { JOB_MAX_MS, type Job, type JobResult, MESSAGE_MAX_BYTES, type Rule } from './job.ts';

/** Compiled things kept, of each kind; tenants have some dozens. */
const COMPILED_MAX = 500;
/**
 * JSONata's own guards: they name what went wrong before the thread has to be killed. It takes what it evaluates side by side, the
 * members of an object or the groups of a list, for one inside of the other: a message has some thousand, each a few deep.
 */
const GUARDS = { timeout: JOB_MAX_MS / 2, stack: 20_000, sequence: 100_000 };

const finders = new Map<string, FaultFinder>();
const expressions = new Map<string, jsonata.Expression>();
const lists = new Map<string, readonly Rule[] | readonly string[]>();

/** An expression that fails, and where it stands in what it was given. */
class Faulty extends Error {
  readonly at: string;
  readonly position: number | undefined;

  constructor(at: string, error: unknown) {
    super(messageOf(error), { cause: error });
    this.at = at;
    this.position = positionOf(error);
  }
}

export async function evaluateJob(job: Job): Promise<JobResult> {
  try {
    return await resultOf(job);
  } catch (error) {
    const at = error instanceof Faulty ? error.at : '';
    if (isOverrun(error)) return { kind: 'overrun', detail: `${at} ${messageOf(error)}`.trim() };
    const position = error instanceof Faulty ? error.position : positionOf(error);
    return {
      kind: 'faulty',
      at,
      detail: messageOf(error),
      ...(position === undefined ? {} : { position }),
    };
  }
}

async function resultOf(job: Job): Promise<JobResult> {
  switch (job.kind) {
    case 'check_schema':
      finderOf(job.source);
      return { kind: 'valid' };
    case 'check_expression':
      jsonata(job.source);
      return { kind: 'valid' };
    case 'validate': {
      const find = kept(finders, job.source, () => finderOf(job.source));
      const faults = find(JSON.parse(job.message), '');
      return faults.length === 0 ? { kind: 'valid' } : { kind: 'invalid', faults };
    }
    case 'rules':
      return applyRules(listOf(job.source) as readonly Rule[], JSON.parse(job.message) as JsonValue);
    case 'values':
      return valuesOf(listOf(job.source) as readonly string[], JSON.parse(job.message) as JsonValue);
    default:
      return assertNever(job);
  }
}

function finderOf(source: string): FaultFinder {
  return createFaultFinder(JSON.parse(source) as object, { strictRequired: false });
}

/** One behind the other: each sees what those before it have set. */
async function applyRules(rules: readonly Rule[], input: JsonValue): Promise<JobResult> {
  let message = input;
  let route: string | null = null;
  for (const [index, rule] of rules.entries()) {
    const at = `/rules/${index}`;
    // oxlint-disable-next-line no-await-in-loop -- each sees what those before it have set
    if (rule.when !== undefined && (await evaluate(rule.when, message, `${at}/when`)) !== true) continue;
    if (rule.refuse !== undefined) return { kind: 'refused', rule: index, reason: rule.refuse };
    // oxlint-disable-next-line no-await-in-loop -- each sees what those before it have set
    if (rule.set !== undefined) message = await withMembers(message, rule.set, `${at}/set`);
    if (rule.route !== undefined) route = rule.route;
  }
  return { kind: 'passed', message: textOf(message, '/rules'), route };
}

async function withMembers(
  message: JsonValue,
  set: Readonly<Record<string, string>>,
  at: string,
): Promise<JsonObject> {
  if (!isObject(message)) throw new Faulty(at, new TypeError('sets members of a message that is no object'));
  const members: Record<string, JsonValue> = { ...message };
  for (const [name, expression] of Object.entries(set)) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is what can be bounded
    members[name] = asJson(await evaluate(expression, message, `${at}/${name}`), `${at}/${name}`) ?? null;
  }
  return members;
}

/**
 * What a rule has set, as the next step would read it: JSONata marks the lists that it collects, and takes a marked one of one item
 * for that item.
 */
function asJson(value: JsonValue | undefined, at: string): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  refuseLost(value, at);
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}

/** Together no longer than a message: keys that are looked up. */
async function valuesOf(sources: readonly string[], message: JsonValue): Promise<JobResult> {
  const values: string[] = [];
  let room = MESSAGE_MAX_BYTES;
  for (const [index, source] of sources.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is what can be bounded
    const value = await evaluate(source, message, `/${index}`);
    const text = textOf(value ?? null, `/${index}`, room);
    room -= Buffer.byteLength(text);
    values.push(text);
  }
  return { kind: 'values', values };
}

async function evaluate(source: string, input: JsonValue, at: string): Promise<JsonValue | undefined> {
  try {
    const expression = kept(expressions, source, () => jsonata(source, GUARDS));
    return (await expression.evaluate(input)) as JsonValue | undefined;
  } catch (error) {
    throw new Faulty(at, error);
  }
}

/** As it is carried on: what no message can hold, a function or a NUL, fails here. */
function textOf(value: JsonValue, at: string, mostBytes = MESSAGE_MAX_BYTES): string {
  refuseLost(value, at);
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || !(isPlain(text) || isStorableJson(JSON.parse(text))))
    throw new Faulty(at, new TypeError('gives something that is no JSON, or holds a NUL'));
  if (Buffer.byteLength(text) > mostBytes) {
    const together = mostBytes < MESSAGE_MAX_BYTES ? ' together with what comes before it' : '';
    throw new Faulty(at, new TypeError(`gives more than ${MESSAGE_MAX_BYTES} bytes${together}`)); // at once: no overrun
  }
  return text;
}

function refuseLost(value: JsonValue, at: string): void {
  const lost = lostIn(value);
  if (lost !== undefined) throw new Faulty(at, new TypeError(`gives ${lost}`));
}

/**
 * What would go on as something else: a number that was rounded, or would be null, and a name that may be read as another one, as of
 * a body that comes in (json-body.ts, J3, J7); a function, which JSONata writes as an object.
 */
function lostIn(value: unknown): string | undefined {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'number')
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
      ? undefined
      : 'a number that cannot be kept exactly';
  if (typeof value !== 'object' || value === null) return undefined;
  // Of a list its items alone: JSONata bounds what it collects by a `push` that it gives to the list.
  if (Array.isArray(value)) return firstLost(value);
  return Object.keys(value).every(isMemberName)
    ? firstLost(Object.values(value))
    : 'a name that no member may have';
}

function firstLost(values: readonly unknown[]): string | undefined {
  for (const each of values) {
    const lost = lostIn(each);
    if (lost !== undefined) return lost;
  }
  return undefined;
}

/** Whether it can be seen at a glance that it may be stored: what may not is written as an escape, and it is not deep. */
function isPlain(text: string): boolean {
  if (text.includes('\\u')) return false;
  let openings = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BRACE || code === BRACKET) openings++;
  }
  return openings <= MAX_JSON_DEPTH;
}

const BRACE = '{'.charCodeAt(0);
const BRACKET = '['.charCodeAt(0);

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(source: string): readonly Rule[] | readonly string[] {
  return kept(lists, source, () => JSON.parse(source) as readonly Rule[]);
}

function kept<Value>(among: Map<string, Value>, source: string, make: () => Value): Value {
  const known = among.get(source);
  if (known !== undefined) return known;
  if (among.size >= COMPILED_MAX) among.clear();
  const made = make();
  among.set(source, made);
  return made;
}

/** JSONata's codes for what it has stopped itself, and ours for what has grown too large. */
const OVERRUN_CODES = new Set(['U1001', 'D1011', 'D1012', 'D2014', 'D2015']);

function isOverrun(error: unknown): boolean {
  if (error instanceof Faulty) return isOverrun(error.cause);
  if (error instanceof RangeError) return true;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && OVERRUN_CODES.has(code);
}

function positionOf(error: unknown): number | undefined {
  const { position } = error as { position?: unknown };
  return typeof position === 'number' ? position : undefined;
}

const DETAIL_MAX = 500;

/** What a tenant lets `$error` say is kept with the integration: as text that can be (R6). */
function messageOf(error: unknown): string {
  const { message } = error as { message?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(error);
  return text.slice(0, DETAIL_MAX).replaceAll('\0', '\u{fffd}').toWellFormed();
}
