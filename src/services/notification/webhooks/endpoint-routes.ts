/** The API of endpoints (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Clock } from '#kernel/clock.ts';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import type { Egress } from '#platform/egress/egress.ts';
import { malformedCursor, parseCursor, renderPage, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { type Endpoint, renderEndpoint } from './endpoint.ts';
import type { EndpointDesk } from './endpoint-store.ts';
import { findIdlePattern } from './event-patterns.ts';
import type { WebhookProblemCode } from './problems.ts';
import {
  ChangeEndpointBody,
  CreatedEndpointDocument,
  CreateEndpointBody,
  EndpointDocument,
  EndpointPage,
  EndpointParams,
  PageQuery,
  SecretDocument,
} from './schemas.ts';
import type { WebhookSecrets } from './secrets.ts';
import { verifierOf } from './signature.ts';
import type { Subscribers } from './subscribers.ts';

/** Of a tenant: each event is written once for every one of them, in one commit. */
const ENDPOINTS_MAX = 100;
/** In the place of an id: the one secret that the tenant's callbacks are signed by. */
const CALLBACKS = 'callbacks';

export const READ = { scope: 'webhooks:read' } as const;
export const WRITE = { scope: 'webhooks:write' } as const;
export const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };

export interface EndpointRoutes {
  readonly endpoints: EndpointDesk;
  readonly secrets: WebhookSecrets;
  readonly egress: Pick<Egress, 'refusalOf'>;
  readonly subscribers: Pick<Subscribers, 'refresh'>;
  readonly clock: Clock;
  /** It may have something to send again. */
  readonly onEnabled: (endpointKeys: Iterable<bigint>) => void;
}

export function registerEndpointRoutes(app: HttpApp, routes: EndpointRoutes): void {
  registerMaking(app, routes);
  registerReading(app, routes.endpoints);
  registerChanging(app, routes);
  registerRotation(app, routes);
}

function registerMaking(app: HttpApp, routes: EndpointRoutes): void {
  const schema = {
    tags: ['webhooks'],
    summary: 'Make a webhook endpoint',
    description:
      'What happens from a second after on is sent there as a CloudEvent, signed (Standard Webhooks). The secret is shown this once, so the answer is not kept under an idempotency key.',
    body: CreateEndpointBody,
    response: { 201: CreatedEndpointDocument, ...REFUSALS },
  };
  app.post('/v1/webhook-endpoints', { config: WRITE, schema }, async (request, reply) => {
    const { tenant } = contextOf(request);
    const { url, events, description = null, signature = 'v1' } = request.body;
    const { endpoints, secrets, subscribers, clock } = routes;
    const refusal = await refusalOf(routes, { url, events });
    if (refusal !== undefined) return sendProblem(reply, refusal);
    if ((await endpoints.count(tenant)) >= ENDPOINTS_MAX)
      return sendProblem(reply, problem('webhooks.too_many_endpoints', `There are ${ENDPOINTS_MAX}.`));
    const uuid = uuidOf(newId('whe'));
    // First: an endpoint without a secret could not be sent to.
    const secret = await secrets.create(tenant, uuid, signature);
    const endpoint = await endpoints.insert(
      { uuid, tenant, url, events, description, signature },
      clock.now(),
    );
    await subscribers.refresh();
    const body = JSON.stringify({ ...renderEndpoint(endpoint), secret: verifierOf(secret) });
    return sendJsonText(reply, { status: 201, body });
  });
}

function registerReading(app: HttpApp, endpoints: EndpointDesk): void {
  const list = {
    tags: ['webhooks'],
    summary: 'List webhook endpoints, newest first',
    querystring: PageQuery,
    response: { 200: EndpointPage, 400: ProblemDocument },
  };
  app.get('/v1/webhook-endpoints', { config: READ, schema: list }, async (request, reply) => {
    const { cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
    const before = parseIdCursor('whe', cursor);
    if (before === null) return sendProblem(reply, malformedCursor());
    const found = await endpoints.list(contextOf(request).tenant, before, rowsFor(limit));
    const { data, next_cursor } = renderPage(found, limit, (last) => [idOf('whe', last.uuid)]);
    const body = JSON.stringify({ data: data.map(renderEndpoint), next_cursor });
    return sendJsonText(reply, { status: 200, body });
  });
  const read = {
    tags: ['webhooks'],
    summary: 'Read a webhook endpoint',
    params: EndpointParams,
    response: { 200: EndpointDocument, 404: ProblemDocument },
  };
  app.get('/v1/webhook-endpoints/:id', { config: READ, schema: read }, async (request, reply) => {
    const endpoint = await findEndpoint(endpoints, request, request.params.id);
    if (endpoint === undefined) return sendProblem(reply, endpointNotFound(request.params.id));
    return sendEndpoint(reply, endpoint);
  });
}

function registerChanging(app: HttpApp, routes: EndpointRoutes): void {
  const { endpoints, secrets, clock, onEnabled } = routes;
  const change = {
    tags: ['webhooks'],
    summary: 'Change a webhook endpoint',
    params: EndpointParams,
    body: ChangeEndpointBody,
    response: { 200: EndpointDocument, ...REFUSALS },
  };
  app.patch('/v1/webhook-endpoints/:id', { config: WRITE, schema: change }, async (request, reply) => {
    const { id } = request.params;
    const refusal = await refusalOf(routes, request.body);
    if (refusal !== undefined) return sendProblem(reply, refusal);
    const { tenant } = contextOf(request);
    const changed = isId('whe', id)
      ? await endpoints.change(tenant, uuidOf(id), request.body, clock.now())
      : undefined;
    if (changed === undefined) return sendProblem(reply, endpointNotFound(id));
    if (changed.status === 'enabled') onEnabled([changed.key]);
    return sendEndpoint(reply, changed);
  });
  const remove = {
    tags: ['webhooks'],
    summary: 'Delete a webhook endpoint',
    description: 'What waits for it is not sent any more.',
    params: EndpointParams,
    response: { 204: Type.Null(), 404: ProblemDocument },
  };
  app.delete('/v1/webhook-endpoints/:id', { config: WRITE, schema: remove }, async (request, reply) => {
    const { id } = request.params;
    const { tenant } = contextOf(request);
    if (!isId('whe', id) || !(await endpoints.remove(tenant, uuidOf(id), clock.now())))
      return sendProblem(reply, endpointNotFound(id));
    await secrets.remove(tenant, uuidOf(id));
    return reply.code(204).send(null);
  });
}

function registerRotation(app: HttpApp, { endpoints, secrets, clock }: EndpointRoutes): void {
  const schema = {
    tags: ['webhooks'],
    summary: 'Give an endpoint a new secret',
    description:
      'For a day deliveries are signed by both, the new one first. `callbacks` in the place of the id: the secret that the answers of card transactions are signed by.',
    params: EndpointParams,
    response: { 200: SecretDocument, ...REFUSALS },
  };
  const config = WRITE;
  app.post('/v1/webhook-endpoints/:id/rotate-secret', { config, schema }, async (request, reply) => {
    const { id } = request.params;
    const { tenant } = contextOf(request);
    const endpoint = id === CALLBACKS ? undefined : await findEndpoint(endpoints, request, id);
    if (endpoint === undefined && id !== CALLBACKS) return sendProblem(reply, endpointNotFound(id));
    const secret = await secrets.rotate(tenant, endpoint?.uuid, endpoint?.signature ?? 'v1');
    await endpoints.noteNewSecret(tenant, endpoint?.uuid, clock.now());
    return sendJsonText(reply, { status: 200, body: JSON.stringify({ secret: verifierOf(secret) }) });
  });
}

async function refusalOf(
  { egress }: Pick<EndpointRoutes, 'egress'>,
  {
    url,
    events = [],
  }: { readonly url?: string | undefined; readonly events?: readonly string[] | undefined },
) {
  const idle = findIdlePattern(events);
  if (idle !== undefined) return refusedMember('webhooks.unknown_event', '/events', `${idle} is no event.`);
  const refusal = url === undefined ? undefined : await egress.refusalOf(url);
  return refusal === undefined ? undefined : refusedMember('webhooks.url_refused', '/url', refusal);
}

function refusedMember(code: WebhookProblemCode, pointer: string, detail: string) {
  return problem(code, detail, { errors: [{ pointer, code: 'refused', detail }] });
}

export function endpointNotFound(id: string) {
  return problem('webhooks.endpoint_not_found', `There is no webhook endpoint ${id}.`);
}

/** The caller's own endpoint, if it is one. */
export async function findEndpoint(
  endpoints: EndpointDesk,
  request: FastifyRequest,
  id: string,
): Promise<Endpoint | undefined> {
  return isId('whe', id) ? endpoints.find(contextOf(request).tenant, uuidOf(id)) : undefined;
}

/** The uuid in a cursor of one id; undefined if there is no cursor, null if it is none of ours. */
export function parseIdCursor(prefix: 'whe' | 'dlv', cursor: string | undefined): string | undefined | null {
  const parsed = parseCursor(cursor, 1);
  if (!parsed.ok) return null;
  const [id] = parsed.value ?? [];
  if (id === undefined) return undefined;
  return isId(prefix, id) ? uuidOf(id) : null;
}

function sendEndpoint(reply: FastifyReply, endpoint: Endpoint): FastifyReply {
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderEndpoint(endpoint)) });
}
