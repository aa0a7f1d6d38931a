/**
 * The providers there are and the routes to them, as data: a JSON document that an operator writes. Read once, at start;
 * what is wrong with it is told all at once, each fault with its place.
 */

import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Static, Type } from 'typebox';
import { isCurrency } from '#kernel/currencies.ts';
import type { Decision } from '#kernel/decision.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';
import { closed } from '#platform/http/schemas.ts';
import { NOBODY } from './nobody.ts';

/** A payment gateway that speaks our protocol (docs/sandbox-providers.md). */
export interface ProviderTerms {
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  readonly apiKey: string;
  /** `whsec_…`, by which its callbacks are signed. */
  readonly webhookSecret: string;
  /** How long an answer is waited for. */
  readonly timeoutMs: number;
  /** Charges under way at a time. */
  readonly concurrency: number;
  /** Whether it can block a key that it may not have seen yet. */
  readonly canVoid: boolean;
  /** The longest it takes from the last byte of a charge until an inquiry finds it. What closes attempts if it cannot void. */
  readonly settlesWithinMs: number;
}

export interface Route {
  /** Null for all. */
  readonly currencies: readonly string[] | null;
  /** Minor units, both inclusive. */
  readonly minAmount: number;
  readonly maxAmount: number;
  /** Names, the first one first. */
  readonly providers: readonly string[];
}

export interface Configuration {
  readonly providers: readonly ProviderTerms[];
  /** The first that matches is taken. */
  readonly routes: readonly Route[];
}

export const NO_PROVIDERS: Configuration = { providers: [], routes: [] };

const DEFAULT_CONCURRENCY = 256;
/** What bounds memory and sockets of one provider. */
const CONCURRENCY_MAX = 4096;
const DEFAULT_SETTLES_WITHIN_MS = 120_000;
/** A day: whoever needs longer is not told of by an inquiry at all. */
const SETTLES_WITHIN_MAX_MS = 86_400_000;
const TIMEOUT_MAX_MS = 60_000;
/** Each is a label of metrics, of which there are a thousand series at most. */
const PROVIDERS_MAX = 20;

const MinorUnits = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const ProviderDocument = closed({
  url: Type.String({ pattern: '^https?://[^\\s?#]+$', maxLength: 2048 }),
  api_key: Type.String({ pattern: '^[\\x21-\\x7e]+$', maxLength: 512 }),
  webhook_secret: Type.String({ pattern: '^whsec_[A-Za-z0-9+/]{32,}={0,2}$', maxLength: 512 }),
  timeout_ms: Type.Optional(Type.Integer({ minimum: 50, maximum: TIMEOUT_MAX_MS })),
  concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: CONCURRENCY_MAX })),
  void: Type.Optional(Type.Boolean()),
  settles_within_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: SETTLES_WITHIN_MAX_MS })),
});
const RouteDocument = closed({
  currency: Type.Optional(Type.Array(Type.String(), { minItems: 1, uniqueItems: true })),
  min_amount: Type.Optional(MinorUnits),
  max_amount: Type.Optional(MinorUnits),
  providers: Type.Array(Type.String(), { minItems: 1, maxItems: 20, uniqueItems: true }),
});
const ConfigurationDocument = closed({
  providers: Type.Record(Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' }), ProviderDocument, {
    additionalProperties: false,
    maxProperties: PROVIDERS_MAX,
  }),
  routes: Type.Array(RouteDocument, { maxItems: 500 }),
});

const isConfiguration = new Ajv2020({ allErrors: true, strict: true, strictTypes: false }).compile<
  Static<typeof ConfigurationDocument>
>(ConfigurationDocument);

export interface ConfigurationFault {
  /** A JSON pointer: `/routes/0/providers/1`. */
  readonly place: string;
  readonly detail: string;
}

export type ParsedConfiguration =
  | { readonly ok: true; readonly value: Configuration }
  | { readonly ok: false; readonly faults: readonly ConfigurationFault[] };

/** What the text of the file that LASTRO_PROVIDERS_FILE names stands for, or everything that is wrong with it. No secret is in a fault. */
export function parseProvidersFile(
  text: string,
  defaults: { readonly timeoutMs: number },
): ParsedConfiguration {
  const parsed: Decision<unknown> = parseJsonBody(Buffer.from(text));
  if (!parsed.ok) {
    const { detail, errors } = parsed.problem;
    return refused(
      errors?.map((each) => ({ place: each.pointer, detail: each.detail })) ?? [
        fault('', detail.replace(/^The body /, '')), // the file has another name here
      ],
    );
  }
  const document = parsed.value;
  if (!isConfiguration(document)) {
    const errors = isConfiguration.errors ?? [];
    return refused(errors.map((error) => fault(placeOf(error), error.message ?? 'is not valid')));
  }
  const written: Static<typeof ConfigurationDocument> = document;
  const faults = [
    ...Object.keys(written.providers)
      .filter((name) => name === NOBODY)
      .map((name) => fault(`/providers/${name}`, 'is the name of the attempt that is made at nobody')),
    ...Object.entries(written.providers)
      .filter(([, { url }]) => !URL.canParse(url))
      .map(([name]) => fault(`/providers/${name}/url`, 'is no URL')),
    ...written.routes.flatMap((route, index) => faultsOfRoute(route, index, written.providers)),
  ];
  if (faults.length > 0) return refused(faults);
  return {
    ok: true,
    value: {
      providers: Object.entries(written.providers).map(([name, terms]) => providerOf(name, terms, defaults)),
      routes: written.routes.map(routeOf),
    },
  };
}

/** All of what is wrong, a line each, as a start that refuses prints it. */
export function renderConfigurationFaults(faults: readonly ConfigurationFault[]): string {
  return faults.map(({ place, detail }) => `${place === '' ? 'the document' : place} ${detail}`).join('\n');
}

/** The sandbox: its providers in their order, for everything. */
export function sandboxConfiguration(
  running: readonly {
    readonly name: string;
    readonly url: string;
    readonly apiKey: string;
    readonly webhookSecret: string;
  }[],
  defaults: { readonly timeoutMs: number },
): Configuration {
  const providers = running.map((each) => ({
    ...each,
    ...defaults,
    concurrency: DEFAULT_CONCURRENCY,
    canVoid: true,
    settlesWithinMs: DEFAULT_SETTLES_WITHIN_MS,
  }));
  const names = providers.map(({ name }) => name);
  return { providers, routes: names.length === 0 ? [] : [routeOf({ providers: names })] };
}

function providerOf(
  name: string,
  written: Static<typeof ProviderDocument>,
  { timeoutMs }: { readonly timeoutMs: number },
): ProviderTerms {
  return {
    name,
    url: written.url.replace(/\/+$/, ''),
    apiKey: written.api_key,
    webhookSecret: written.webhook_secret,
    timeoutMs: written.timeout_ms ?? timeoutMs,
    concurrency: written.concurrency ?? DEFAULT_CONCURRENCY,
    canVoid: written.void ?? true,
    settlesWithinMs: written.settles_within_ms ?? DEFAULT_SETTLES_WITHIN_MS,
  };
}

function routeOf(written: Static<typeof RouteDocument>): Route {
  return {
    currencies: written.currency ?? null,
    minAmount: written.min_amount ?? 1,
    maxAmount: written.max_amount ?? Number.MAX_SAFE_INTEGER,
    providers: written.providers,
  };
}

function faultsOfRoute(
  route: Static<typeof RouteDocument>,
  index: number,
  providers: Readonly<Record<string, unknown>>,
): ConfigurationFault[] {
  const at = `/routes/${index}`;
  const faults = route.providers
    .map((name, position) => ({ name, place: `${at}/providers/${position}` }))
    .filter(({ name }) => !Object.hasOwn(providers, name))
    .map(({ name, place }) =>
      fault(place, `names ${JSON.stringify(name)}, which is not among the providers`),
    );
  for (const [position, code] of (route.currency ?? []).entries())
    if (!isCurrency(code)) faults.push(fault(`${at}/currency/${position}`, 'is not an ISO 4217 code'));
  if ((route.min_amount ?? 1) > (route.max_amount ?? Number.MAX_SAFE_INTEGER))
    faults.push(fault(`${at}/min_amount`, 'is above max_amount'));
  return faults;
}

function placeOf(error: { instancePath: string; params: Record<string, unknown> }): string {
  const name = error.params['additionalProperty'] ?? error.params['missingProperty'];
  return typeof name === 'string' ? `${error.instancePath}/${name}` : error.instancePath;
}

function fault(place: string, detail: string): ConfigurationFault {
  return { place, detail };
}

function refused(faults: readonly ConfigurationFault[]): ParsedConfiguration {
  return { ok: false, faults };
}
