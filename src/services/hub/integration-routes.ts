/** The API of what goes through connectors (H1, H3). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type CommandQueue, submitCommand } from '#platform/http/command-route.ts';
import { parseIdCursor, renderNext } from '#platform/http/cursor.ts';
import { sendFinalOr } from '#platform/http/final-answer.ts';
import type { FinalStates } from '#platform/http/final-states.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { faulty } from '#platform/http/json-body.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Connectors } from './connectors.ts';
import type { IntegrationDelivered, IntegrationEnriched, IntegrationRequested } from './events.ts';
import type { Delivered, HubOrder } from './hub-orders.ts';
import { type Integration, renderIntegration } from './integration.ts';
import { tooLarge } from './message-size.ts';
import type { HubReads, IntegrationFilter } from './reads.ts';
import { integrationNotFound } from './refusals.ts';
import {
  ConnectorParams,
  DescribedIntegrationDocument,
  IdParams,
  IntegrationDocument,
  IntegrationListQuery,
  IntegrationPage,
  MessageBody,
  ReplayBody,
  UndoBody,
} from './schemas.ts';
import { undoOf } from './steps/undo-step.ts';

export interface IntegrationRoutes {
  readonly commands: CommandQueue<HubOrder>;
  readonly connectors: Connectors;
  readonly reads: HubReads;
  readonly ends: FinalStates<Integration>;
}

const READ = { scope: 'integrations:read' } as const;
const WRITE = { scope: 'integrations:write', idempotencyKey: 'optional', waits: true } as const;
const ANSWERS = {
  200: IntegrationDocument,
  202: IntegrationDocument,
  '4xx': ProblemDocument,
  503: ProblemDocument,
};

export function registerIntegrationRoutes(app: HttpApp, routes: IntegrationRoutes): void {
  registerSending(app, routes);
  registerReading(app, routes);
  registerReplaying(app, routes);
  registerUndoing(app, routes);
}

function registerSending(app: HttpApp, routes: IntegrationRoutes): void {
  const schema = {
    tags: ['hub'],
    summary: 'Send a message through a connector',
    description:
      'Answers 202 once the message is durable; the steps decide the rest. With `Prefer: wait=N` the answer is how it ended, with 200, if that comes within N seconds.',
    params: ConnectorParams,
    body: MessageBody,
    response: ANSWERS,
  };
  app.post('/v1/integrations/:connector', { config: WRITE, schema }, async (request, reply) => {
    if (isBodiless(request))
      return sendProblem(reply, faulty([{ pointer: '', code: 'required', detail: 'is required' }]));
    const message = JSON.stringify(request.body);
    const obstacle = tooLarge(message);
    if (obstacle !== undefined) return sendProblem(reply, obstacle);
    const { connector } = request.params;
    return submit({ request, reply }, routes, {
      operation: 'integrations.create',
      connector,
      entry: 'api',
      message,
    });
  });
}

/** A body that is missing is no message; validation makes null of it, which is one. */
function isBodiless({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

export async function submit(
  { request, reply }: Exchange,
  { commands, ends }: Pick<IntegrationRoutes, 'commands' | 'ends'>,
  body: HubOrder,
  found?: unknown,
): Promise<FastifyReply> {
  const order = { operation: body.operation, body, id: newId('int'), found };
  const outcome = await submitCommand<HubOrder>(request, commands, order);
  if (!outcome.ok) return sendProblem(reply, outcome.problem);
  return sendFinalOr(request, reply, outcome.value, { states: ends, render: renderIntegration });
}

function registerReading(app: HttpApp, { reads }: IntegrationRoutes): void {
  const read = {
    tags: ['hub'],
    summary: 'Read an integration: its status, its way, its calls',
    params: IdParams,
    response: { 200: DescribedIntegrationDocument, 404: ProblemDocument },
  };
  app.get('/v1/integrations/:id', { config: READ, schema: read }, async (request, reply) => {
    const { id } = request.params;
    const found = await findIntegration(reads, contextOf(request).tenant, id);
    if (found === undefined) return sendProblem(reply, integrationNotFound(id));
    return sendJsonText(reply, { status: 200, body: JSON.stringify(await reads.describe(found)) });
  });
  const list = {
    tags: ['hub'],
    summary: 'List integrations, newest first',
    description:
      'A page looks through a hundred thousand integrations at most: if few of them match, it is short, and `next_cursor` goes on.',
    querystring: IntegrationListQuery,
    response: { 200: IntegrationPage, 400: ProblemDocument },
  };
  app.get('/v1/integrations', { config: READ, schema: list }, async (request, reply) => {
    const before = parseIdCursor('int', request.query.cursor);
    if (!before.ok) return sendProblem(reply, before.problem);
    const { integrations, next } = await reads.list(contextOf(request).tenant, filterOf(request.query), {
      before: before.value,
      limit: request.query.limit ?? DEFAULT_PAGE_LIMIT,
    });
    const next_cursor = renderNext(next, (uuid) => [idOf('int', uuid)]);
    const page = { data: integrations.map(renderIntegration), next_cursor };
    return sendJsonText(reply, { status: 200, body: JSON.stringify(page) });
  });
}

function filterOf({ connector, status, correlation_id }: IntegrationListQuery): IntegrationFilter {
  return {
    ...(connector === undefined ? {} : { connector }),
    ...(status === undefined ? {} : { status }),
    ...(correlation_id === undefined ? {} : { correlationId: correlation_id }),
  };
}

function findIntegration(reads: HubReads, tenant: string, id: string): Promise<Integration | undefined> {
  return isId('int', id) ? reads.find(tenant, uuidOf(id)) : Promise.resolve(undefined);
}

function registerReplaying(app: HttpApp, routes: IntegrationRoutes): void {
  const { reads } = routes;
  const schema = {
    tags: ['hub'],
    summary: 'Replay an integration',
    description:
      'Its message again, or the one given, as a new integration through the newest version of the connector. Destinations are called under the same idempotency key, unless the first was undone, or refused by Lastro itself. Not what was delivered.',
    params: IdParams,
    body: ReplayBody,
    response: ANSWERS,
  };
  app.post('/v1/integrations/:id/replay', { config: WRITE, schema }, async (request, reply) => {
    const { id } = request.params;
    const { tenant } = contextOf(request);
    const found = await findIntegration(reads, tenant, id);
    const edited = request.body?.message;
    const message = edited === undefined ? await messageOf(reads, found) : JSON.stringify(edited);
    const obstacle = tooLarge(message);
    if (obstacle !== undefined) return sendProblem(reply, obstacle);
    return submit({ request, reply }, routes, {
      operation: 'integrations.replay',
      integration_id: id,
      connector: found?.connector ?? '',
      message,
    });
  });
}

/** Empty of what is not there: that is decided where its key is looked up. */
async function messageOf(reads: HubReads, found: Integration | undefined): Promise<string> {
  if (found === undefined) return '';
  const [first] = await reads.timeline(found.tenant, found.uuid);
  return (first as LogEvent<IntegrationRequested>).data.message;
}

function registerUndoing(app: HttpApp, routes: IntegrationRoutes): void {
  const schema = {
    tags: ['hub'],
    summary: 'Undo an integration',
    description: 'By the undo call that its destination names. Only what was delivered, and once.',
    params: IdParams,
    body: UndoBody,
    response: ANSWERS,
  };
  app.post('/v1/integrations/:id/undo', { config: WRITE, schema }, async (request, reply) => {
    const { id } = request.params;
    const order = {
      operation: 'integrations.undo',
      integration_id: id,
      reason: request.body.reason,
    } as const;
    return submit(
      { request, reply },
      routes,
      order,
      await deliveredBy(contextOf(request).tenant, id, routes),
    );
  });
}

/** What is to be undone. Why nothing is, is decided where its key is looked up. */
async function deliveredBy(
  tenant: string,
  id: string,
  { reads, connectors }: IntegrationRoutes,
): Promise<Decision<Delivered>> {
  const found = await findIntegration(reads, tenant, id);
  if (found === undefined) return refused(integrationNotFound(id));
  const told = deliveredOf(await reads.timeline(tenant, found.uuid));
  const connector = await connectors.find({ tenant, name: found.connector }, found.connectorVersion);
  if (told === undefined || connector === undefined) return refused(notUndoable(`${id} was not delivered.`));
  return undoOf(connector.definition, told.destination) === undefined
    ? refused(notUndoable(`The destination ${told.destination} names no undo call.`))
    : accepted(told);
}

function notUndoable(detail: string): Problem {
  return problem('hub.not_undoable', detail);
}

/** What was delivered, and where. */
function deliveredOf(events: readonly LogEvent[]): Delivered | undefined {
  const delivered = events.find(({ type }) => type === 'integration.delivered');
  const enriched = events.find(({ type }) => type === 'integration.enriched');
  if (delivered === undefined || enriched === undefined) return undefined;
  const { destination } = delivered.data as IntegrationDelivered;
  return { destination, message: (enriched.data as IntegrationEnriched).message };
}
