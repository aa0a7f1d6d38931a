/** The API of endpoints (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Clock } from '#kernel/clock.ts';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import type { AskedOnce } from '#platform/batch/kept-answers.ts';
import type { Egress } from '#platform/egress/egress.ts';
import { answerOnce, refusalIn } from '#platform/http/answer-once.ts';
import { parseIdCursor, renderPage, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { AnswerDesk } from './answer-desk.ts';
import { CALLBACKS, type Endpoint, renderEndpoint } from './endpoint.ts';
import { countEndpoints, type EndpointDesk, insertEndpoint, noteNewSecret } from './endpoint-store.ts';
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

export const READ = { scope: 'webhooks:read' } as const;
export const WRITE = { scope: 'webhooks:write' } as const;
/** Whatever is asked for by POST. */
export const ASK = { ...WRITE, idempotencyKey: 'optional' } as const;
export const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };

export interface EndpointRoutes {
  readonly endpoints: EndpointDesk;
  readonly answers: AnswerDesk;
  /** Renders the refusal of an idempotency key that was used with another body. */
  readonly keyReused: AskedOnce['keyReused'];
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
      'What happens from a second after on is sent there as a CloudEvent, signed (Standard Webhooks). The secret is shown this once, and to copies of this request under its idempotency key.',
    body: CreateEndpointBody,
    response: { 201: CreatedEndpointDocument, ...REFUSALS },
  };
  const { answers, secrets, subscribers, keyReused } = routes;
  app.post('/v1/webhook-endpoints', { config: ASK, schema }, async (request, reply) => {
    const { body } = request;
    const order = { operation: 'webhook_endpoints.create', body, keyReused };
    const { tenant } = contextOf(request);
    return answerOnce(request, reply, order, (asked) =>
      answers.answerOnce(asked, {
        find: () => refusalOf(routes, body),
        async decide(tx, refusal, now) {
          if (refusal !== undefined) return { answer: refusalIn(reply, refusal) };
          if ((await countEndpoints(tx, tenant)) >= ENDPOINTS_MAX)
            return { answer: refusalIn(reply, tooManyEndpoints()) };
          const { url, events, description = null, signature = 'v1' } = body;
          const { automatic_replay: automaticReplay = true } = body;
          const uuid = uuidOf(newId('whe'));
          const secret = secrets.create(tx, { tenant, uuid, scheme: signature }, now);
          const made = { uuid, tenant, url, events, description, signature, automaticReplay };
          const endpoint = await insertEndpoint(tx, made, now);
          const document = { ...renderEndpoint(endpoint), secret: verifierOf(secret) };
          return {
            answer: { status: 201, body: JSON.stringify(document) },
            hasSecret: true,
            committed: () => subscribers.refresh(),
          };
        },
      }),
    );
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
    if (!before.ok) return sendProblem(reply, before.problem);
    const found = await endpoints.list(contextOf(request).tenant, before.value, rowsFor(limit));
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
    if (!isId('whe', id)) return sendProblem(reply, endpointNotFound(id));
    const wasThere = await endpoints.remove(tenant, uuidOf(id), clock.now());
    // Also of one that is gone: whoever deleted it may have been broken off before this.
    await secrets.remove(tenant, uuidOf(id));
    return wasThere ? reply.code(204).send(null) : sendProblem(reply, endpointNotFound(id));
  });
}

function registerRotation(app: HttpApp, { endpoints, answers, secrets, keyReused }: EndpointRoutes): void {
  const schema = {
    tags: ['webhooks'],
    summary: 'Give an endpoint a new secret',
    description:
      'For a day deliveries are signed by both, the new one first. `callbacks` in the place of the id: the secret that the answers of card transactions are signed by.',
    params: EndpointParams,
    response: { 200: SecretDocument, ...REFUSALS },
  };
  const config = ASK;
  app.post('/v1/webhook-endpoints/:id/rotate-secret', { config, schema }, async (request, reply) => {
    const { id } = request.params;
    const { tenant } = contextOf(request);
    const order = { operation: 'webhook_endpoints.rotate_secret', body: { endpoint_id: id }, keyReused };
    return answerOnce(request, reply, order, (asked) =>
      answers.answerOnce(asked, {
        find: async () => (id === CALLBACKS ? undefined : findEndpoint(endpoints, request, id)),
        async decide(tx, endpoint, now) {
          if (endpoint === undefined && id !== CALLBACKS)
            return { answer: refusalIn(reply, endpointNotFound(id)) };
          const { uuid, signature: scheme = 'v1' } = endpoint ?? {};
          const secret = await secrets.rotate(tx, { tenant, uuid, scheme }, now);
          const answer = { status: 200, body: JSON.stringify({ secret: verifierOf(secret) }) };
          if (uuid !== undefined) noteNewSecret(tx, { tenant, uuid }, now);
          const committed = () => secrets.forgetCallbacks(tenant);
          return { answer, hasSecret: true, ...(uuid === undefined ? { committed } : {}) };
        },
      }),
    );
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

function tooManyEndpoints() {
  return problem('webhooks.too_many_endpoints', `There are ${ENDPOINTS_MAX}.`);
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

function sendEndpoint(reply: FastifyReply, endpoint: Endpoint): FastifyReply {
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderEndpoint(endpoint)) });
}
