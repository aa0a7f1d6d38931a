/**
 * The event contracts: a JSON Schema per event type and version, `src/services/<service>/events/<type>.v<n>.json`.
 *
 * E1: a published version never changes; docs/reference/events.lock.json has the digest of each.
 * E2: whoever reads version n can read every earlier one, because logs are read again years later.
 * E3: a contract is closed, so that a later version may add a member without meaning something that stood there
 *     before. Only an object that names no members, a bag of the caller's, is open.
 */
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { check_compat, initSync } from 'jsoncompat';
import { canonicalJson } from '#kernel/canonical-json.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const LOCK_PATH = 'docs/reference/events.lock.json';

/** A JSON Schema, as far as contracts use it. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly const?: string | number | boolean | null;
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly [keyword: string]: unknown;
}

export interface EventContract {
  /** The service whose log has the event, and the log's topic. */
  readonly service: string;
  /** `payment.requested`. */
  readonly type: string;
  readonly version: number;
  /** From the root, with slashes. */
  readonly path: string;
  readonly schema: Schema;
}

/** Every contract of the tree, by service, type and version. */
export function loadEventContracts(): EventContract[] {
  return readdirSync(`${ROOT}/src/services`, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => /^[^/]+\/events\//.test(name) && name.endsWith('.json'))
    .map((name) => contractAt(name.slice(0, name.indexOf('/')), `src/services/${name}`))
    .toSorted((a, b) => order(a).localeCompare(order(b), 'en', { numeric: true }));
}

function contractAt(service: string, path: string): EventContract {
  const named = /\/([a-z_]+(?:\.[a-z_]+)+)\.v([1-9]\d*)\.json$/.exec(path);
  if (named === null) throw new Error(`${path} is not called <type>.v<n>.json`);
  const schema = JSON.parse(readFileSync(`${ROOT}/${path}`, 'utf8')) as Schema;
  return { service, type: named[1] ?? '', version: Number(named[2]), path, schema };
}

function order({ service, type, version }: EventContract): string {
  return `${service} ${type} ${version}`;
}

/** Of the schema's meaning, not of its spaces: SHA-256 of its canonical form (RFC 8785), in hex. */
export function digestOf(contract: EventContract): string {
  return hash('sha256', canonicalJson(contract.schema), 'hex');
}

/** Path → digest, of what is published (E1). */
export type ContractLock = Readonly<Record<string, string>>;

export function loadContractLock(): ContractLock {
  return JSON.parse(readFileSync(`${ROOT}/${LOCK_PATH}`, 'utf8')) as ContractLock;
}

/** What the contracts do to the published ones: a line for each that was changed or taken away (E1). */
export function changesOfPublished(lock: ContractLock, contracts: readonly EventContract[]): string[] {
  const present = new Map(contracts.map((contract) => [contract.path, digestOf(contract)]));
  return Object.entries(lock).flatMap(([path, digest]) => {
    const now = present.get(path);
    if (now === undefined) return [`${path} is published and cannot be taken away`];
    return now === digest ? [] : [`${path} is published and cannot change; add a version`];
  });
}

/** A line for each pair of versions of which the later cannot read all that the earlier allows (E2). */
export function incompatibilitiesOf(contracts: readonly EventContract[]): string[] {
  return contracts.flatMap((later) =>
    contracts
      .filter((earlier) => earlier.type === later.type && earlier.version < later.version)
      .filter((earlier) => !reads(later.schema, earlier.schema))
      .map((earlier) => `${later.type}: version ${later.version} cannot read version ${earlier.version}`),
  );
}

initSync({ module: readFileSync(new URL(import.meta.resolve('jsoncompat/jsoncompat_wasm_bg.wasm'))) });

/** Whether everything that `earlier` allows is allowed by `later`. */
export function reads(later: Schema, earlier: Schema): boolean {
  // jsoncompat passes over `format` and takes a version that adds one for equal.
  if (formatsOf(later).some((format) => !formatsOf(earlier).includes(format))) return false;
  return check_compat(withoutId(earlier), withoutId(later), 'deserializer');
}

/** What a schema is called is nothing that it allows, and jsoncompat would look there for others. */
function withoutId(schema: Schema): string {
  return JSON.stringify({ ...schema, $id: undefined });
}

/** `/properties/posted_at date-time`, for each. */
function formatsOf(schema: Schema): string[] {
  return subschemasOf(schema).flatMap(({ pointer, schema: { format } }) =>
    typeof format === 'string' ? [`${pointer} ${format}`] : [],
  );
}

/** Pointers of the objects that name members and yet admit others (E3). */
export function openObjectsIn(schema: Schema): string[] {
  return subschemasOf(schema)
    .filter(
      ({ schema: { properties, additionalProperties } }) =>
        properties !== undefined && additionalProperties !== false,
    )
    .map(({ pointer }) => pointer);
}

interface Subschema {
  readonly pointer: string;
  readonly schema: Schema;
}

/** The schema and all that stand in it, whatever the keyword. */
function subschemasOf(schema: Schema, pointer = ''): Subschema[] {
  const nested = Object.entries(schema).flatMap(([keyword, value]) =>
    typeof value === 'object' && value !== null ? subschemasOf(value as Schema, `${pointer}/${keyword}`) : [],
  );
  return [{ pointer, schema }, ...nested];
}
