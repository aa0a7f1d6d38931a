/**
 * Shapes are checked by ajv against the very schemas that make the OpenAPI document. Nothing is coerced and nothing
 * removed: `"5"` is not 5, and a member that is not in the schema is a fault.
 */
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { FastifySchemaCompiler } from 'fastify';
import { InvariantViolation } from '#kernel/fault.ts';
import type { FieldProblem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { isVisible } from '#kernel/reason.ts';
import { isCalendarDate, isRfc3339 } from './instants.ts';
import { faulty } from './json-body.ts';
import { pointerStep } from './json-pointer.ts';
import { listedFaults, MAX_FIELD_PROBLEMS } from './listed-faults.ts';
import { MULTIPLE_OF } from './multiple-of.ts';
import { ProblemError } from './problem-error.ts';

/**
 * All faults of a body are looked for only if it has at most this many values. Ajv keeps an object per fault: a 1 MiB
 * body of nothing but faults would cost 300 000 of them. A larger body is told its first fault.
 */
const MAX_VALUES_FOR_ALL_FAULTS = 5_000;

type Part = 'body' | 'querystring' | 'params' | 'headers';

/** How a part is called in pointers. A body's pointers have no such prefix. */
const POINTER_ROOTS: Readonly<Record<Part, string>> = {
  body: '',
  querystring: '/query',
  params: '/path',
  headers: '/header',
};

type Validation = { value: unknown } | { error: ProblemError };

/** Fastify's compiler of validators; compile one per app. */
export function createValidatorCompiler(): FastifySchemaCompiler<unknown> {
  const quick = createAjv({ allErrors: false });
  const thorough = createAjv({ allErrors: true });
  return ({ schema, httpPart, method, url }) => {
    const part = partOf(httpPart);
    if (!isSchema(schema))
      throw new InvariantViolation(`${method} ${url}: the schema of ${part} is not an object`);
    if (part === 'body') requireClosed(schema, `${method} ${url}`);
    const isValid = quick.compile(schema);
    let findAll: ValidateFunction | undefined;
    const numeric = part === 'querystring' ? integerNames(schema) : [];
    return (value: unknown): Validation => {
      if (numeric.length > 0) readIntegers(value, numeric);
      if (isValid(value)) return { value };
      let errors = isValid.errors ?? [];
      if (countValues(value, MAX_VALUES_FOR_ALL_FAULTS) < MAX_VALUES_FOR_ALL_FAULTS) {
        findAll ??= thorough.compile(schema);
        findAll(value);
        errors = findAll.errors ?? errors;
      }
      return { error: validationProblem(part, errors) };
    };
  };
}

export type FaultFinder = (value: unknown, root: string) => readonly FieldProblem[];

/**
 * All that is wrong with a value by a schema, as far as an answer lists it; pointers begin with `root`. In a schema that is not
 * ours a member may be required without being described.
 */
export function createFaultFinder(
  schema: object,
  { strictRequired = true }: { readonly strictRequired?: boolean } = {},
): FaultFinder {
  const findAll = createAjv({ allErrors: true, strictRequired }).compile(schema);
  return (value, root) => {
    if (findAll(value)) return [];
    return faultsIn(findAll.errors ?? [], root);
  };
}

function createAjv(options: { allErrors: boolean; strictRequired?: boolean }): Ajv2020 {
  const ajv = new Ajv2020({
    ...options,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    strict: true,
    strictTypes: false,
    strictTuples: false,
    keywords: ['example'],
    formats: { 'date-time': isRfc3339, date: isCalendarDate, visible: isVisible },
  });
  return ajv.removeKeyword('multipleOf').addKeyword(MULTIPLE_OF);
}

function partOf(httpPart: string | undefined): Part {
  if (httpPart === 'body' || httpPart === 'querystring' || httpPart === 'params' || httpPart === 'headers')
    return httpPart;
  throw new InvariantViolation(`no such part of a request: ${httpPart}`);
}

function isSchema(schema: unknown): schema is Record<string, unknown> {
  return typeof schema === 'object' && schema !== null;
}

/** A body whose schema is open would swallow misspelt members. */
function requireClosed(schema: Record<string, unknown>, route: string): void {
  if (schema['type'] === 'object' && schema['additionalProperties'] !== false) {
    throw new InvariantViolation(`${route}: the body's schema does not say additionalProperties: false`);
  }
}

/** The members of a query that are integers. A query has only texts; those that are one in canonical form are read. */
function integerNames(schema: Record<string, unknown>): string[] {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  return Object.keys(properties).filter((name) => {
    const member = properties[name];
    return isSchema(member) && member['type'] === 'integer';
  });
}

function readIntegers(query: unknown, names: readonly string[]): void {
  if (!isSchema(query)) return;
  for (const name of names) {
    const text = query[name];
    if (typeof text === 'string' && /^-?(?:0|[1-9]\d{0,14})$/.test(text)) query[name] = Number(text);
  }
}

/** How many values a body holds, counted no further than `limit`. */
function countValues(value: unknown, limit: number): number {
  if (typeof value !== 'object' || value === null) return 1;
  let count = 1;
  for (const item of Object.values(value)) {
    count += countValues(item, limit - count);
    if (count >= limit) return limit;
  }
  return count;
}

function validationProblem(part: Part, errors: readonly ErrorObject[]): ProblemError {
  const faults = faultsIn(errors, POINTER_ROOTS[part]);
  if (part === 'body') return new ProblemError(faulty(faults));
  const [first] = faults;
  return new ProblemError(
    problem('request.invalid_parameter', `${first?.pointer} ${first?.detail}.`, { errors: faults }),
  );
}

function faultsIn(errors: readonly ErrorObject[], root: string): FieldProblem[] {
  const told = withoutBranches(errors).slice(0, MAX_FIELD_PROBLEMS);
  return listedFaults(told.map((error) => fieldProblem(error, root)));
}

/**
 * A union reports the faults of each of its branches and then itself. Kept are the faults inside the branches; where
 * no branch got further than the value's own type, the union says what it takes.
 */
function withoutBranches(all: readonly ErrorObject[]): readonly ErrorObject[] {
  // What is wrong with a name says itself whose it is.
  const errors: readonly ErrorObject[] = all.filter(({ keyword }) => keyword !== 'propertyNames');
  return errors
    .filter(isUnion)
    .reduce((left, union) => withoutBranchesOf(withoutOtherKinds(left, union), union), errors);
}

function isUnion(error: ErrorObject): boolean {
  return error.keyword === 'anyOf' || error.keyword === 'oneOf';
}

/**
 * Where the branches are told apart by a member (`type`), those that the member's value does not name were not meant. If it names
 * none, that is the fault, whatever else each of them would miss.
 */
function withoutOtherKinds(errors: readonly ErrorObject[], union: ErrorObject): readonly ErrorObject[] {
  const branches = new Set(errors.filter((error) => isBranchOf(union, error)));
  const [first, ...more] = [...branches].filter((error) => isAboutMember(union, error));
  if (first === undefined || more.some(({ instancePath }) => instancePath !== first.instancePath))
    return errors;
  const named = [first, ...more];
  const others = new Set(named.map((error) => branchOf(union, error)));
  const meant = [...branches].filter((error) => !others.has(branchOf(union, error)));
  if (meant.length > 0) return errors.filter((error) => !branches.has(error) || meant.includes(error));
  const allowedValues = named.map(({ params }): unknown => params['allowedValue']);
  const kind = { ...first, keyword: 'enum', params: { allowedValues } };
  return errors.flatMap((error) => (error === first ? kind : branches.has(error) ? [] : error));
}

function isAboutMember(
  { instancePath: of }: ErrorObject,
  { keyword, instancePath: at }: ErrorObject,
): boolean {
  return keyword === 'const' && at !== of && at.slice(0, at.lastIndexOf('/')) === of;
}

/** Which of the union's branches it is in: its number, as text. */
function branchOf(union: ErrorObject, { schemaPath }: ErrorObject): string | undefined {
  return schemaPath.slice(union.schemaPath.length + 1).split('/')[0];
}

function withoutBranchesOf(errors: readonly ErrorObject[], union: ErrorObject): readonly ErrorObject[] {
  const branches = new Set(errors.filter((error) => isBranchOf(union, error)));
  const telling = [...branches].filter(
    (error) => error.instancePath !== union.instancePath || !isAboutKind(error),
  );
  if (telling.length > 0)
    return errors.filter((error) => error !== union && (!branches.has(error) || telling.includes(error)));
  const texts = [...branches]
    .filter((error) => error.keyword === 'const')
    .map((error): unknown => error.params['allowedValue']);
  const said = texts.length === 0 ? union : { ...union, keyword: 'enum', params: { allowedValues: texts } };
  return errors.filter((error) => !branches.has(error)).map((error) => (error === union ? said : error));
}

/** Items of an array share the schema's path, so the value's path decides as well. */
function isBranchOf(union: ErrorObject, error: ErrorObject): boolean {
  const { schemaPath, instancePath } = error;
  return (
    schemaPath.startsWith(`${union.schemaPath}/`) &&
    (instancePath === union.instancePath || instancePath.startsWith(`${union.instancePath}/`))
  );
}

/** Whether a branch only says that the value is none of its kind. */
function isAboutKind(error: ErrorObject): boolean {
  return error.keyword === 'type' || error.keyword === 'const';
}

function fieldProblem(error: ErrorObject, root: string): FieldProblem {
  const fault = valueProblem(error, root);
  if (error.propertyName === undefined) return fault;
  return {
    pointer: fault.pointer + pointerStep(error.propertyName),
    code: 'invalid_name',
    detail: `has a name that is not allowed: it ${fault.detail}`,
  };
}

function characters({ params }: ErrorObject): string {
  return params['limit'] === 1 ? '1 character' : `${params['limit']} characters`;
}

function valueProblem(error: ErrorObject, root: string): FieldProblem {
  const at = root + error.instancePath;
  const named = (name: unknown) => at + pointerStep(String(name));
  switch (error.keyword) {
    case 'required':
      return { pointer: named(error.params['missingProperty']), code: 'required', detail: 'is required' };
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return {
        pointer: named(error.params['additionalProperty'] ?? error.params['unevaluatedProperty']),
        code: 'unknown_member',
        detail: 'is not known here',
      };
    case 'enum':
      return {
        pointer: at,
        code: 'not_allowed',
        detail: `must be one of ${JSON.stringify(error.params['allowedValues'])}`,
      };
    case 'const':
      return {
        pointer: at,
        code: 'not_allowed',
        detail: `must be ${JSON.stringify(error.params['allowedValue'])}`,
      };
    case 'minLength':
      return {
        pointer: at,
        code: 'too_short',
        detail: `must have at least ${characters(error)}`,
      };
    case 'maxLength':
      return {
        pointer: at,
        code: 'too_long',
        detail: `must have at most ${characters(error)}`,
      };
    case 'format':
      return { pointer: at, code: 'wrong_format', detail: formatDetail(error) };
    case 'anyOf':
    case 'oneOf':
      return { pointer: at, code: 'wrong_type', detail: 'is of none of the accepted forms' };
    default:
      return {
        pointer: at,
        code: FAULT_CODES[error.keyword] ?? 'invalid',
        detail: error.message ?? 'is not valid',
      };
  }
}

function formatDetail({ params, message }: ErrorObject): string {
  return params['format'] === 'visible' ? 'must show something' : (message ?? 'is not valid');
}

/** Keyword of JSON Schema → the stable code of the fault; ajv's message says the rest. */
const FAULT_CODES: Readonly<Record<string, string>> = {
  type: 'wrong_type',
  minimum: 'out_of_range',
  maximum: 'out_of_range',
  exclusiveMinimum: 'out_of_range',
  exclusiveMaximum: 'out_of_range',
  minItems: 'too_few',
  maxItems: 'too_many',
  minProperties: 'too_few',
  maxProperties: 'too_many',
  pattern: 'wrong_format',
  uniqueItems: 'repeated',
};
