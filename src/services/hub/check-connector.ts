/** Whether a connector can work, before it is kept: everything in it compiles, and every name is there. */
import type { FieldProblem } from '#kernel/problem.ts';
import { pointerStep } from '#platform/http/json-pointer.ts';
import type { Enrichment, HttpCall, PutDefinition } from './connector.ts';
import type { Job, JobResult, OwnedJob } from './evaluation/job.ts';

/** What a connector is kept as: it is loaded for every batch that meets it for the first time. */
const DEFINITION_MAX_BYTES = 262_144;

export interface Compiler {
  run(jobs: readonly OwnedJob[]): Promise<readonly JobResult[]>;
}

/** Nothing, or every place that is at fault. */
export async function faultsOf(
  definition: PutDefinition,
  {
    tenant,
    evaluator,
    refusalOf,
  }: { tenant: string; evaluator: Compiler; refusalOf: (url: string) => string | undefined },
): Promise<readonly FieldProblem[]> {
  const faults = [
    ...nameFaults(definition),
    ...sizeFaults(definition),
    ...urlFaults(definition, refusalOf),
    ...headerFaults(definition),
  ];
  const places = [...compiledPlaces(definition)];
  const results = await evaluator.run(places.map(({ job }) => ({ ...job, tenant })));
  for (const [index, { pointer }] of places.entries()) {
    const result = results[index];
    if (result === undefined || result.kind === 'valid') continue;
    faults.push({ pointer, code: 'does_not_compile', detail: detailOf(result) });
  }
  return faults;
}

function detailOf(result: JobResult): string {
  if (result.kind === 'overrun') return result.detail;
  if (result.kind !== 'faulty') return 'does not compile';
  return result.position === undefined ? result.detail : `${result.detail} (at character ${result.position})`;
}

interface Place {
  readonly pointer: string;
  readonly job: Job;
}

function* compiledPlaces({
  entry,
  rules = [],
  enrichment = [],
  destinations,
}: PutDefinition): Generator<Place> {
  if (entry.schema !== undefined)
    yield { pointer: '/entry/schema', job: { kind: 'check_schema', source: JSON.stringify(entry.schema) } };
  for (const [index, { when, set = {} }] of rules.entries()) {
    yield* expressionAt(`/rules/${index}/when`, when);
    for (const [name, source] of Object.entries(set))
      yield* expressionAt(`/rules/${index}/set${pointerStep(name)}`, source);
  }
  for (const [index, { key }] of enrichment.entries()) yield* expressionAt(`/enrichment/${index}/key`, key);
  for (const [name, destination] of Object.entries(destinations)) {
    const at = `/destinations${pointerStep(name)}`;
    yield* expressionAt(`${at}/body`, destination.body);
    if (destination.type === 'http') yield* expressionAt(`${at}/undo/body`, destination.undo?.body);
  }
}

function* expressionAt(pointer: string, source: string | undefined): Generator<Place> {
  if (source !== undefined) yield { pointer, job: { kind: 'check_expression', source } };
}

function nameFaults(definition: PutDefinition): FieldProblem[] {
  const { rules = [], enrichment = [], tables = {}, destinations, default_route } = definition;
  const faults: FieldProblem[] = [];
  const expect = (pointer: string, name: string | undefined, among: object, kind: string): void => {
    if (name === undefined || Object.hasOwn(among, name)) return;
    faults.push({ pointer, code: 'unknown_name', detail: `names no ${kind} of the connector` });
  };
  for (const [index, { route, refuse, set }] of rules.entries()) {
    expect(`/rules/${index}/route`, route, destinations, 'destination');
    if (route === undefined && refuse === undefined && set === undefined)
      faults.push({ pointer: `/rules/${index}`, code: 'required', detail: 'has no effect' });
  }
  for (const [index, each] of enrichment.entries())
    expect(`/enrichment/${index}/table`, tableOf(each), tables, 'table');
  expect('/default_route', default_route, destinations, 'destination');
  if (default_route === undefined && Object.keys(destinations).length > 1)
    faults.push({
      pointer: '/default_route',
      code: 'required',
      detail: 'is required where there are several destinations',
    });
  return faults;
}

function tableOf(each: Enrichment): string | undefined {
  return each.type === 'table' ? each.table : undefined;
}

function sizeFaults(definition: PutDefinition): FieldProblem[] {
  if (Buffer.byteLength(JSON.stringify(definition)) <= DEFINITION_MAX_BYTES) return [];
  const detail = `has more than ${DEFINITION_MAX_BYTES} bytes`;
  return [{ pointer: '', code: 'too_long', detail }];
}

function urlFaults(
  definition: PutDefinition,
  refusalOf: (url: string) => string | undefined,
): FieldProblem[] {
  const lookUps = (definition.enrichment ?? []).flatMap((each, index) =>
    each.type === 'http' ? { pointer: `/enrichment/${index}/url`, url: each.url } : [],
  );
  const calls = httpCallsOf(definition).map(({ at, call }) => ({ pointer: `${at}/url`, url: call.url }));
  return [...lookUps, ...calls].flatMap(({ pointer, url }) => {
    const detail = refusalOf(withKey(url, 'a')) ?? refusalOfKey(url);
    return detail === undefined ? [] : { pointer, code: 'not_allowed', detail: detail.replace(/\.$/, '') };
  });
}

/** Whom a secret is sent to is not for the message to say. */
function refusalOfKey(url: string): string | undefined {
  const origins = new Set(['a', '1'].map((key) => URL.parse(withKey(url, key))?.origin));
  return origins.size === 1 ? undefined : 'Its host depends on the message.';
}

function withKey(url: string, key: string): string {
  return url.replaceAll('{key}', key);
}

/** Of every call: what the connection needs, and what tells a destination which request it is, and whose. */
const OWN_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'idempotency-key',
  'keep-alive',
  'proxy-connection',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-correlation-id',
]);
/** A connector is shown to whoever may read it. */
const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization']);

function headerFaults({ enrichment = [], ...definition }: PutDefinition): FieldProblem[] {
  const calls = httpCallsOf(definition);
  const named = [
    ...enrichment.map((each, index) => ({ at: `/enrichment/${index}`, call: each })),
    ...calls,
  ].flatMap(({ at, call }) =>
    'authentication' in call && call.authentication.type === 'header'
      ? { pointer: `${at}/authentication/name`, name: call.authentication.name }
      : [],
  );
  const written = calls.flatMap(({ at, call }) =>
    Object.keys(call.headers ?? {}).map((name) => ({ pointer: `${at}/headers${pointerStep(name)}`, name })),
  );
  const faultOf = (pointer: string, detail: string) => ({ pointer, code: 'not_allowed', detail });
  return [
    ...[...named, ...written]
      .filter(({ name }) => OWN_HEADERS.has(name.toLowerCase()))
      .map(({ pointer }) => faultOf(pointer, 'is a header that every call has by itself, or none')),
    ...written
      .filter(({ name }) => SECRET_HEADERS.has(name.toLowerCase()))
      .map(({ pointer }) => faultOf(pointer, 'holds a secret: it is made by `authentication`')),
  ];
}

function httpCallsOf({
  destinations,
}: Pick<PutDefinition, 'destinations'>): { at: string; call: HttpCall }[] {
  return Object.entries(destinations).flatMap(([name, destination]) => {
    if (destination.type !== 'http') return [];
    const at = `/destinations${pointerStep(name)}`;
    const { undo } = destination;
    return [{ at, call: destination }, ...(undo === undefined ? [] : [{ at: `${at}/undo`, call: undo }])];
  });
}
