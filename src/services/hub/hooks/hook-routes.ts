/** Where webhooks come in, and what was received. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf, isId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { parseIdCursor, renderNext } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { parseTraceparent } from '#platform/http/traceparent.ts';
import type { Secrets } from '../calls/secrets.ts';
import type { SignatureScheme } from '../connector.ts';
import type { IntegrationRoutes } from '../integration-routes.ts';
import { submit } from '../integration-routes.ts';
import {
  HookAnswer,
  HookDocument,
  HookListQuery,
  HookPage,
  HookParams,
  IdParams,
  IntegrationDocument,
} from '../schemas.ts';
import { type HookDesk, messageOf } from './hook-desk.ts';
import { type HookTaken, type IncomingHook, nothingReceives, renderTaken } from './hook-intake.ts';
import { type HookReads, renderHook, type StoredHook } from './hook-reads.ts';
import { type HookHeaders, idOfHook, verdictOf } from './verify-signature.ts';

export interface HookRoutes extends IntegrationRoutes {
  readonly desk: HookDesk;
  readonly secrets: Secrets;
  readonly hooks: HookReads;
}

/** Some senders add a document of their own to a message; what is over the message's bound is stored no more. */
const HOOK_MAX_BYTES = 262_144;
const READ = { scope: 'integrations:read' } as const;
const WRITE = { scope: 'integrations:write', idempotencyKey: 'optional', waits: true } as const;

export function registerHookRoutes(app: HttpApp, routes: HookRoutes): void {
  registerReceiving(app, routes.desk);
  registerReading(app, routes.hooks);
  registerReplaying(app, routes);
}

/** In a context of its own, where every body stays the bytes that were signed. */
function registerReceiving(app: HttpApp, desk: HookDesk): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    scope.post<{ Params: { tenant: string; connector: string } }>(
      '/hooks/:tenant/:connector',
      {
        config: { open: true, rawBody: '*/*' },
        bodyLimit: HOOK_MAX_BYTES,
        schema: {
          tags: ['hub'],
          summary: 'Where webhooks come in',
          description:
            'Signed as the connector asks for. Answers 200 once the webhook is durable; one that was taken before is answered alike, and has no effect.',
          params: HookParams,
          response: { 200: HookAnswer, '4xx': ProblemDocument, 503: ProblemDocument },
        },
      },
      (request, reply) => receive(desk, request, reply),
    );
  });
}

async function receive(
  desk: HookDesk,
  request: FastifyRequest<{ Params: { tenant: string; connector: string } }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { tenant, connector } = request.params;
  const taken = await desk.receive({
    tenant,
    connector,
    headers: headersOf(request),
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    correlationId: request.id,
    traceparent: parseTraceparent(request.headers['traceparent']) ?? null,
  });
  if (!taken.ok) return sendProblem(reply, taken.problem, challengeFor(taken.problem));
  return sendTaken(reply, taken.value, request.id);
}

function sendTaken(reply: FastifyReply, taken: HookTaken, correlationId: string): FastifyReply {
  if (taken.kind === 'stored') return sendProblem(reply, nothingReceives());
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderTaken(taken, correlationId)) });
}

function challengeFor({ code }: Problem): Record<string, string> {
  return code === 'hub.hook_unauthentic' ? { 'www-authenticate': 'Signature' } : {};
}

/** Of a header that was sent several times, nothing: who has signed which is not known. */
function headersOf({ headers }: FastifyRequest): HookHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : undefined]),
  );
}

function registerReading(app: HttpApp, received: HookReads): void {
  const schema = {
    tags: ['hub'],
    summary: 'List webhooks as they were received, newest first',
    description:
      'Those that were not authentic are kept up to 60 a minute for each connector. A page looks through a hundred thousand webhooks at most, and has about a megabyte: if few match, or they are large, it is short, and `next_cursor` goes on.',
    querystring: HookListQuery,
    response: { 200: HookPage, 400: ProblemDocument },
  };
  app.get('/v1/hooks', { config: READ, schema }, async (request, reply) => {
    const { connector, verdict, cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
    const before = parseIdCursor('hok', cursor);
    if (!before.ok) return sendProblem(reply, before.problem);
    const filter = {
      ...(connector === undefined ? {} : { connector }),
      ...(verdict === undefined ? {} : { verdict }),
    };
    const { hooks, next } = await received.list(contextOf(request).tenant, filter, {
      before: before.value,
      limit,
    });
    const next_cursor = renderNext(next, (uuid) => [idOf('hok', uuid)]);
    const page = { data: hooks.map(renderHook), next_cursor };
    return sendJsonText(reply, { status: 200, body: JSON.stringify(page) });
  });
  const read = {
    tags: ['hub'],
    summary: 'Read a webhook as it was received',
    params: IdParams,
    response: { 200: HookDocument, 404: ProblemDocument },
  };
  app.get('/v1/hooks/:id', { config: READ, schema: read }, async (request, reply) => {
    const found = await findHook(received, contextOf(request).tenant, request.params.id);
    if (found === undefined) return sendProblem(reply, hookNotFound(request.params.id));
    return sendJsonText(reply, { status: 200, body: JSON.stringify(renderHook(found)) });
  });
}

function findHook(received: HookReads, tenant: string, id: string): Promise<StoredHook | undefined> {
  return isId('hok', id) ? received.find(tenant, uuidOf(id)) : Promise.resolve(undefined);
}

function hookNotFound(id: string): Problem {
  return problem('hub.hook_not_found', `There is no webhook ${id}.`);
}

function registerReplaying(app: HttpApp, routes: HookRoutes): void {
  const schema = {
    tags: ['hub'],
    summary: 'Replay a webhook from its stored bytes',
    description:
      'After its connector or its secret was mended. One that was not authentic is verified again, whenever it was sent; not what comes with a key (`basic`, `api_key`), since that is not kept: have it sent again.',
    params: IdParams,
    response: {
      200: HookAnswer,
      202: IntegrationDocument,
      '4xx': ProblemDocument,
      503: ProblemDocument,
    },
  };
  app.post('/v1/hooks/:id/replay', { config: WRITE, schema }, async (request, reply) => {
    const { id } = request.params;
    const { tenant } = contextOf(request);
    const found = await findHook(routes.hooks, tenant, id);
    const message = found === undefined ? undefined : messageOf(found.body);
    if (found !== undefined && message !== undefined && found.integration !== null)
      return submit({ request, reply }, routes, {
        operation: 'integrations.replay',
        integration_id: idOf('int', found.integration),
        connector: found.connector,
        message,
      });
    const order = { operation: 'hooks.replay', hook_id: id } as const;
    const now =
      found === undefined || message === undefined
        ? refused(hookNotFound(id))
        : await comesIn(request, routes, { found, message });
    return submit({ request, reply }, routes, order, now);
  });
}

/** How it would come in now. Why it does not, is decided where its key is looked up. */
async function comesIn(
  request: FastifyRequest,
  { connectors, secrets }: HookRoutes,
  { found, message }: { readonly found: StoredHook; readonly message: string },
): Promise<Decision<IncomingHook>> {
  const { tenant, traceparent = null } = contextOf(request);
  const connector = await connectors.find({ tenant, name: found.connector });
  const entry = connector?.definition.entry;
  const { headers, body, correlationId } = found;
  if (connector === undefined || entry?.type !== 'webhook') return refused(nothingReceives());
  const secret = await secrets.find(tenant, entry.signature.secret);
  const verdict =
    secret === undefined
      ? 'invalid'
      : verdictOf({ headers, body }, entry.signature, { secret, now: undefined });
  if (verdict !== 'valid') return refused(problem('hub.not_replayable', whyNotAuthentic(entry.signature)));
  const { name, version } = connector;
  return accepted({
    connector: { tenant, name, version, entry: 'webhook' },
    headers,
    body,
    message,
    verdict,
    id: idOfHook({ headers, body }, entry.signature, entry.id_header),
    correlationId,
    traceparent,
  });
}

/** Signatures are kept with a webhook, keys are not (hook-desk.ts). */
function whyNotAuthentic({ scheme }: SignatureScheme): string {
  return scheme === 'basic' || scheme === 'api_key'
    ? 'The key that the webhook came with is not kept, so it cannot be verified again; have it sent again.'
    : 'The webhook is not authentic now either.';
}
