/** The API of connectors: put as a whole, each time as a new version. */

import { newId } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type CommandQueue, sendOutcome, submitCommand } from '#platform/http/command-route.ts';
import { NamedList, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { lacksScope, type Principal, permits } from '#platform/http/principal.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { closed, DEFAULT_PAGE_LIMIT, ProblemDocument, pageOf, pageQuery } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { etagOf, MAY_REPLACE_VERSION, SENDS_VERSION, versionOf } from '#platform/http/version-etag.ts';
import { type Compiler, faultsOf } from './check-connector.ts';
import {
  type Connector,
  type LastroPart,
  type PutDefinition,
  renderConnector,
  shownOf,
} from './connector.ts';
import { ConnectorBody, ConnectorDocument } from './connector-schemas.ts';
import type { Connectors } from './connectors.ts';
import type { HubOrder } from './hub-orders.ts';
import { connectorNotFound } from './refusals.ts';
import { ConnectorNameParams, ConnectorQuery } from './schemas.ts';

export interface ConnectorRoutes {
  readonly commands: CommandQueue<HubOrder>;
  readonly connectors: Connectors;
  readonly evaluator: Compiler;
  /** Why a URL cannot be called from here, by what is written in it. */
  readonly refusalOf: (url: string) => string | undefined;
}

const CONNECTORS = new NamedList('connectors');

const READ = { scope: 'connectors:read' } as const;
const WRITE = { scope: 'connectors:write', idempotencyKey: 'optional' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };

/** Of the routes that take the same orders: who puts a connector gives them, whoever sends its messages. */
const SCOPES_OF_PARTS: Readonly<Record<LastroPart, string>> = {
  payment: 'payments:write',
  card_top_up: 'cards:write',
  cash_entry: 'cash_entries:write',
};

export function registerConnectorRoutes(app: HttpApp, routes: ConnectorRoutes): void {
  registerPut(app, routes);
  registerReads(app, routes.connectors);
}

function registerPut(app: HttpApp, { commands, evaluator, refusalOf }: ConnectorRoutes): void {
  const schema = {
    tags: ['hub'],
    summary: 'Put a connector',
    description:
      'As a whole, as a new version that holds for what comes in from then on. If-Match has the ETag of the version that is replaced; a new connector needs none (or `"0"`). Everything in it is compiled before it is kept. A destination that is a part of Lastro needs the scope of that part too: `payments:write`, `cards:write` or `cash_entries:write`.',
    params: ConnectorNameParams,
    body: ConnectorBody,
    response: { 200: ConnectorDocument, 201: ConnectorDocument, ...REFUSALS },
  };
  app.put(
    '/v1/connectors/:name',
    { config: { ...WRITE, headers: MAY_REPLACE_VERSION }, schema },
    async (request, reply) => {
      const given = request.headers['if-match'];
      const version = given === undefined ? null : versionOf(given);
      if (version === undefined)
        return sendProblem(reply, problem('hub.version_changed', 'No version of a connector has this ETag.'));
      const { name: _name, version: _version, ...put } = request.body;
      // Checked by the schema above, whose type cannot say what a member of one name stands for.
      const definition = put as PutDefinition;
      const { tenant } = contextOf(request);
      const missing = missingScope(definition, contextOf(request));
      if (missing !== undefined) return sendProblem(reply, lacksScope(missing));
      const faults = await faultsOf(definition, { tenant, evaluator, refusalOf });
      if (faults.length > 0) return sendProblem(reply, invalid(faults));
      const operation = 'connectors.put';
      const body: HubOrder = { operation, name: request.params.name, version, definition };
      const outcome = await submitCommand<HubOrder>(request, commands, { operation, body, id: newId('req') });
      if (!outcome.ok) return sendProblem(reply, outcome.problem);
      if (outcome.value.answer.status < 300) reply.header('etag', etagOf((version ?? 0) + 1));
      return sendOutcome(reply, outcome.value);
    },
  );
}

function missingScope({ destinations }: PutDefinition, principal: Principal): string | undefined {
  return Object.values(destinations)
    .flatMap(({ type }) => (type === 'http' ? [] : SCOPES_OF_PARTS[type]))
    .find((scope) => !permits(principal, scope));
}

function invalid(faults: Awaited<ReturnType<typeof faultsOf>>): Problem {
  const [first] = faults;
  const where = first?.pointer === '' ? 'The connector' : first?.pointer;
  return problem('hub.connector_invalid', `${where} ${first?.detail}.`, { errors: faults });
}

function registerReads(app: HttpApp, connectors: Connectors): void {
  const read = {
    tags: ['hub'],
    summary: 'Read a connector',
    params: ConnectorNameParams,
    querystring: ConnectorQuery,
    response: { 200: ConnectorDocument, 404: ProblemDocument },
  };
  app.get(
    '/v1/connectors/:name',
    { config: { ...READ, headers: SENDS_VERSION }, schema: read },
    async (request, reply) => {
      const { name } = request.params;
      const found = await connectors.find({ tenant: contextOf(request).tenant, name }, request.query.version);
      if (found === undefined) return sendProblem(reply, connectorNotFound(name));
      reply.header('etag', etagOf(found.version));
      return sendJsonText(reply, { status: 200, body: JSON.stringify(shown(found)) });
    },
  );
  const list = {
    tags: ['hub'],
    summary: 'List connectors by name',
    description:
      'A page has about a megabyte at most: if they are large, it is short, and `next_cursor` goes on.',
    querystring: closed(pageQuery),
    response: { 200: pageOf(ConnectorDocument), 400: ProblemDocument },
  };
  app.get('/v1/connectors', { config: READ, schema: list }, async (request, reply) => {
    const { limit = DEFAULT_PAGE_LIMIT, cursor } = request.query;
    const after = CONNECTORS.keyIn(cursor);
    if (!after.ok) return sendProblem(reply, after.problem);
    const { connectors: found, fitting } = await connectors.list(contextOf(request).tenant, {
      after: after.value ?? '',
      limit: rowsFor(limit),
    });
    const { data, next_cursor } = CONNECTORS.page(found, Math.min(limit, fitting), ({ name }) => name);
    const page = { data: data.map(shown), next_cursor };
    return sendJsonText(reply, { status: 200, body: JSON.stringify(page) });
  });
}

function shown(connector: Connector) {
  return renderConnector({ ...connector, definition: shownOf(connector.definition) });
}
