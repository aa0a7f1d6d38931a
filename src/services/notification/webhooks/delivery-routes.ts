/** The API of an endpoint's deliveries: what was sent, a test, and what is sent again. */
import type { FastifyReply } from 'fastify';
import { idOf, isId, uuidOf } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import type { AskedOnce } from '#platform/batch/kept-answers.ts';
import { answerOnce, refusalIn } from '#platform/http/answer-once.ts';
import { parseIdCursor, renderNext } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { parseInstant } from '#platform/http/instants.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { AnswerDesk } from './answer-desk.ts';
import { queueAgain, queueTest } from './delivery-desk.ts';
import type { DeliveryReads } from './delivery-reads.ts';
import type { Endpoint } from './endpoint.ts';
import { ASK, endpointNotFound, findEndpoint, READ, REFUSALS } from './endpoint-routes.ts';
import type { EndpointDesk } from './endpoint-store.ts';
import { findIdlePattern } from './event-patterns.ts';
import type { Replays } from './replays.ts';
import {
  DeliveryDocument,
  DeliveryListQuery,
  DeliveryPage,
  DeliveryParams,
  EndpointParams,
  QueuedDocument,
  ReplayBody,
  ReplayDocument,
  ReplayParams,
} from './schemas.ts';

export interface DeliveryRoutes {
  readonly endpoints: EndpointDesk;
  readonly reads: DeliveryReads;
  readonly answers: AnswerDesk;
  /** Renders the refusal of an idempotency key that was used with another body. */
  readonly keyReused: AskedOnce['keyReused'];
  readonly onQueued: (endpointKeys: Iterable<bigint>) => void;
  readonly replays: Replays;
}

export function registerDeliveryRoutes(app: HttpApp, routes: DeliveryRoutes): void {
  registerReading(app, routes);
  registerAsking(app, routes);
  registerReplays(app, routes);
}

function registerReading(app: HttpApp, { endpoints, reads }: DeliveryRoutes): void {
  const list = {
    tags: ['webhooks'],
    summary: 'List the deliveries of an endpoint with their attempts, newest first',
    description:
      'A page looks through a hundred thousand deliveries at most: if few of them match, it is short, and `next_cursor` goes on.',
    params: EndpointParams,
    querystring: DeliveryListQuery,
    response: { 200: DeliveryPage, '4xx': ProblemDocument },
  };
  app.get('/v1/webhook-endpoints/:id/deliveries', { config: READ, schema: list }, async (request, reply) => {
    const endpoint = await findEndpoint(endpoints, request, request.params.id);
    if (endpoint === undefined) return sendProblem(reply, endpointNotFound(request.params.id));
    const { cursor, limit = DEFAULT_PAGE_LIMIT, status, subject } = request.query;
    const before = parseIdCursor('dlv', cursor);
    if (!before.ok) return sendProblem(reply, before.problem);
    const page = { before: before.value, limit };
    const { deliveries, next } = await reads.list(endpoint, { status, subject }, page);
    const next_cursor = renderNext(next, (uuid) => [idOf('dlv', uuid)]);
    return sendJson(reply, 200, { data: await reads.render(endpoint, deliveries), next_cursor });
  });
  const read = {
    tags: ['webhooks'],
    summary: 'Read a delivery with its attempts',
    params: DeliveryParams,
    response: { 200: DeliveryDocument, 404: ProblemDocument },
  };
  const url = '/v1/webhook-endpoints/:id/deliveries/:delivery';
  app.get(url, { config: READ, schema: read }, async (request, reply) => {
    const { id, delivery } = request.params;
    const endpoint = await findEndpoint(endpoints, request, id);
    if (endpoint === undefined) return sendProblem(reply, endpointNotFound(id));
    const found = isId('dlv', delivery) ? await reads.find(endpoint, uuidOf(delivery)) : undefined;
    if (found === undefined) return sendProblem(reply, deliveryNotFound(delivery));
    const [document] = await reads.render(endpoint, [found]);
    return sendJson(reply, 200, document);
  });
}

function registerAsking(app: HttpApp, routes: DeliveryRoutes): void {
  const { endpoints, reads, answers, keyReused, onQueued } = routes;
  const test = {
    tags: ['webhooks'],
    summary: 'Send a test to an endpoint',
    params: EndpointParams,
    response: { 202: QueuedDocument, ...REFUSALS },
  };
  app.post('/v1/webhook-endpoints/:id/test', { config: ASK, schema: test }, async (request, reply) => {
    const { id } = request.params;
    const order = { operation: 'webhook_endpoints.test', body: { endpoint_id: id }, keyReused };
    return answerOnce(request, reply, order, (asked) =>
      answers.answerOnce(asked, {
        find: () => findEndpoint(endpoints, request, id),
        async decide(tx, endpoint, now) {
          if (endpoint === undefined) return { answer: refusalIn(reply, endpointNotFound(id)) };
          if (endpoint.status !== 'enabled') return { answer: refusalIn(reply, endpointDisabled(endpoint)) };
          const { correlationId, traceparent = null } = contextOf(request);
          const uuid = await queueTest(tx, endpoint, { correlationId, traceparent }, now);
          return { answer: queued(uuid), committed: () => onQueued([endpoint.key]) };
        },
      }),
    );
  });
  const redeliver = {
    tags: ['webhooks'],
    summary: 'Send a delivery again',
    description:
      'As a delivery of its own, behind what waits for the same subject, with the message id and the sequence of the first.',
    params: DeliveryParams,
    response: { 202: QueuedDocument, ...REFUSALS },
  };
  const url = '/v1/webhook-endpoints/:id/deliveries/:delivery/redeliver';
  app.post(url, { config: ASK, schema: redeliver }, async (request, reply) => {
    const { id, delivery } = request.params;
    const body = { endpoint_id: id, delivery_id: delivery };
    const order = { operation: 'webhook_deliveries.redeliver', body, keyReused };
    return answerOnce(request, reply, order, (asked) =>
      answers.answerOnce(asked, {
        async find() {
          const endpoint = await findEndpoint(endpoints, request, id);
          const isKnown = endpoint !== undefined && isId('dlv', delivery);
          return { endpoint, found: isKnown ? await reads.find(endpoint, uuidOf(delivery)) : undefined };
        },
        async decide(tx, { endpoint, found }, now) {
          if (endpoint === undefined) return { answer: refusalIn(reply, endpointNotFound(id)) };
          if (found === undefined) return { answer: refusalIn(reply, deliveryNotFound(delivery)) };
          if (endpoint.status !== 'enabled') return { answer: refusalIn(reply, endpointDisabled(endpoint)) };
          const actor = contextOf(request).keyId;
          const uuid = await queueAgain(tx, endpoint, { row: found, actor, now });
          if (uuid === undefined) return { answer: refusalIn(reply, deliveryNotFound(delivery)) };
          return { answer: queued(uuid), committed: () => onQueued([endpoint.key]) };
        },
      }),
    );
  });
}

function registerReplays(app: HttpApp, { endpoints, answers, keyReused, replays }: DeliveryRoutes): void {
  const ask = {
    tags: ['webhooks'],
    summary: 'Send the deliveries of a time again',
    description:
      'In the background. The set is fixed now: what was queued for the endpoint within that time, also what was skipped while it was disabled. While the endpoint is disabled, it waits.',
    params: EndpointParams,
    body: ReplayBody,
    response: { 202: ReplayDocument, ...REFUSALS },
  };
  app.post('/v1/webhook-endpoints/:id/replays', { config: ASK, schema: ask }, async (request, reply) => {
    const { id } = request.params;
    const body = { endpoint_id: id, ...request.body };
    const order = { operation: 'webhook_endpoints.replay', body, keyReused };
    return answerOnce(request, reply, order, (asked) =>
      answers.answerOnce(asked, {
        find: () => findEndpoint(endpoints, request, id),
        async decide(tx, endpoint, now) {
          if (endpoint === undefined) return { answer: refusalIn(reply, endpointNotFound(id)) };
          const { from, to, events, subject } = request.body;
          const idle = findIdlePattern(events ?? []);
          if (idle !== undefined) return { answer: refusalIn(reply, unknownEvent(idle)) };
          const { correlationId } = contextOf(request);
          const set = { from: parseInstant(from), to: parseInstant(to), events, subject, correlationId };
          if (set.to < set.from) return { answer: refusalIn(reply, rangeReversed({ from, to })) };
          const replay = await replays.ask(tx, endpoint, set, now);
          const answer = { status: 202, body: JSON.stringify(replay) };
          return { answer, committed: () => replays.wake() };
        },
      }),
    );
  });
  const read = {
    tags: ['webhooks'],
    summary: 'Read how far a replay is',
    params: ReplayParams,
    response: { 200: ReplayDocument, 404: ProblemDocument },
  };
  const url = '/v1/webhook-endpoints/:id/replays/:replay';
  app.get(url, { config: READ, schema: read }, async (request, reply) => {
    const { id, replay } = request.params;
    const endpoint = await findEndpoint(endpoints, request, id);
    if (endpoint === undefined) return sendProblem(reply, endpointNotFound(id));
    const found = isId('whr', replay) ? await replays.find(endpoint, uuidOf(replay)) : undefined;
    if (found === undefined)
      return sendProblem(reply, problem('webhooks.replay_not_found', `There is no replay ${replay}.`));
    return sendJson(reply, 200, found);
  });
}

function deliveryNotFound(id: string) {
  return problem('webhooks.delivery_not_found', `There is no delivery ${id} at this endpoint.`);
}

function endpointDisabled({ uuid }: Endpoint) {
  return problem('webhooks.endpoint_disabled', `${idOf('whe', uuid)} is disabled.`);
}

function unknownEvent(pattern: string) {
  return problem('webhooks.unknown_event', `${pattern} is no event.`);
}

function rangeReversed({ from, to }: { readonly from: string; readonly to: string }) {
  return problem('webhooks.range_reversed', `The range from ${from} ends at ${to}.`);
}

function queued(uuid: string): Answer {
  return { status: 202, body: JSON.stringify({ id: idOf('dlv', uuid), status: 'pending' }) };
}

function sendJson(reply: FastifyReply, status: number, document: unknown): FastifyReply {
  return sendJsonText(reply, { status, body: JSON.stringify(document) });
}
