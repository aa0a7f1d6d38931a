/** A connector: a partner as configuration (H8). What comes in, which rules it meets, what is added, where it goes. */
import type { EpochMs } from '#kernel/clock.ts';
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import type { Rule } from './evaluation/job.ts';

export const CONNECTOR_NAME_PATTERN = '^[a-z0-9][a-z0-9_-]{0,62}$';

/** How a webhook proves where it comes from; secrets are named, never written. */
export type SignatureScheme =
  | { readonly scheme: 'standard_webhooks'; readonly secret: string }
  /** `t=<seconds>,v1=<hex>` in the header; signed is `<t>.<body>`. */
  | { readonly scheme: 'timestamped_hmac'; readonly secret: string; readonly header: string }
  | {
      readonly scheme: 'hmac';
      readonly secret: string;
      readonly header: string;
      readonly encoding: 'hex' | 'base64';
      /** Written before the signature: `sha256=`. */
      readonly prefix?: string;
    }
  | { readonly scheme: 'basic'; readonly username: string; readonly secret: string }
  | { readonly scheme: 'api_key'; readonly header: string; readonly secret: string };

type JsonText = string;

export type ConnectorEntry<Schema = JsonText> =
  | { readonly type: 'api'; readonly schema?: Schema | undefined }
  | {
      readonly type: 'webhook';
      readonly schema?: Schema | undefined;
      readonly signature: SignatureScheme;
      /** The header with the sender's own id of it. */
      readonly id_header?: string;
    };

export type CallAuthentication =
  | { readonly type: 'bearer'; readonly secret: string }
  | { readonly type: 'basic'; readonly username: string; readonly secret: string }
  | { readonly type: 'header'; readonly name: string; readonly secret: string };

interface LookUp {
  /** The expression of what is looked up. */
  readonly key: string;
  /** The member that what was found becomes. */
  readonly into: string;
  /** What is not there: the message is refused (the default), or the member is null. */
  readonly missing?: 'refuse' | 'null';
}

export type TableLookUp = LookUp & { readonly type: 'table'; readonly table: string };

export type HttpLookUp = LookUp & {
  readonly type: 'http';
  /** With `{key}` in it. */
  readonly url: string;
  readonly authentication?: CallAuthentication;
  readonly timeout_ms?: number;
  readonly cache_ms?: number;
};

export type Enrichment = TableLookUp | HttpLookUp;

export interface HttpCall {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The expression of the body; the message as it is if there is none. */
  readonly body?: string;
  readonly authentication?: CallAuthentication;
  readonly timeout_ms?: number;
}

export type HttpDestination = HttpCall & {
  readonly type: 'http';
  readonly attempts?: number;
  readonly give_up_ms?: number;
  /** Whether what was given up while it was away is tried again when it is back; true if it is left out. */
  readonly automatic_replay?: boolean;
  /** What takes back what may have been delivered (U5). */
  readonly undo?: HttpCall;
};

/** Parts of Lastro that take orders. */
export type LastroPart = 'payment' | 'card_top_up' | 'cash_entry';

/** Something of Lastro's own: `body` is the expression of the order, as its route takes it. */
export interface LastroDestination {
  readonly type: LastroPart;
  readonly body: string;
}

export type ConnectorDestination = HttpDestination | LastroDestination;

/** What may be any JSON is text: as values, a list of empty lists takes ten times as much memory. */
export interface ConnectorDefinition<Schema = JsonText, Value = JsonText> {
  readonly entry: ConnectorEntry<Schema>;
  readonly rules?: readonly Rule[];
  readonly tables?: Readonly<Record<string, Readonly<Record<string, Value>>>>;
  readonly enrichment?: readonly Enrichment[];
  readonly destinations: Readonly<Record<string, ConnectorDestination>>;
  /** Where a message goes that no rule routes; may be left out if there is one destination. */
  readonly default_route?: string;
}

/** As it is put, and shown. */
export type PutDefinition = ConnectorDefinition<JsonObject, JsonValue>;

export function keptOf(put: PutDefinition): ConnectorDefinition {
  return withJson(
    put,
    (value) => JSON.stringify(value),
    (value) => JSON.stringify(value),
  );
}

export function shownOf(kept: ConnectorDefinition): PutDefinition {
  return withJson(
    kept,
    (text) => JSON.parse(text) as JsonObject,
    (text) => JSON.parse(text) as JsonValue,
  );
}

/** Its members stay in their order. */
function withJson<FromSchema, FromValue, Schema, Value>(
  definition: ConnectorDefinition<FromSchema, FromValue>,
  schemaOf: (schema: FromSchema) => Schema,
  valueOf: (value: FromValue) => Value,
): ConnectorDefinition<Schema, Value> {
  const { entry, tables } = definition;
  const schema = entry.schema === undefined ? {} : { schema: schemaOf(entry.schema) };
  const tableOf = (table: Readonly<Record<string, FromValue>>) => mapped(table, valueOf);
  const { schema: _schema, ...others } = entry;
  return {
    ...definition,
    entry: { ...others, ...schema },
    ...(tables === undefined ? {} : { tables: mapped(tables, tableOf) }),
  } as ConnectorDefinition<Schema, Value>;
}

function mapped<From, To>(
  members: Readonly<Record<string, From>>,
  to: (from: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, to(member)]));
}

export interface ConnectorRef {
  readonly tenant: string;
  readonly name: string;
}

export interface Connector extends ConnectorRef {
  readonly version: number;
  readonly definition: ConnectorDefinition;
  readonly putAt: EpochMs;
}

export function connectorRef({ tenant, name }: ConnectorRef): string {
  return `${tenant}/${name}`;
}

export function defaultRouteOf({ default_route, destinations }: ConnectorDefinition): string {
  return default_route ?? Object.keys(destinations)[0] ?? '';
}

export function renderConnector({
  name,
  version,
  definition,
}: Pick<Connector, 'name' | 'version'> & { readonly definition: PutDefinition }): JsonObject {
  return { name, version, ...(definition as object as JsonObject) };
}
