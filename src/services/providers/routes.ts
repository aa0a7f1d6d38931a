/** What providers and operators see: callbacks, the state of the providers, the attempts of a payment. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { toRfc3339 } from '#kernel/clock.ts';
import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { CallbackDesk } from './callbacks.ts';
import type { GateStatus } from './provider-gate.ts';
import type { AttemptReads } from './reads.ts';
import { AttemptDocument } from './schemas.ts';

export interface ProviderRoutes {
  readonly callbacks: CallbackDesk;
  readonly reads: AttemptReads;
  readonly statuses: () => readonly GateStatus[];
}

const ProviderList = Type.Object({
  data: Type.Array(
    Type.Object({
      name: Type.String(),
      breaker: Type.Enum(['closed', 'open', 'half_open'], {
        description: '`open`: it does not answer, and is sent no payments until it does again.',
      }),
      in_flight: Type.Integer({ description: 'Calls of this process that are under way.' }),
      since: Type.String({ format: 'date-time', description: 'Since when the breaker is in its state.' }),
    }),
  ),
  next_cursor: Type.Null(),
});

const AttemptList = Type.Object({ data: Type.Array(AttemptDocument), next_cursor: Type.Null() });

const TaggedProviders = { tags: ['providers'] };
/** Our documents have some hundred bytes. */
const CALLBACK_MAX_BYTES = 65_536;

export function registerProviderRoutes(app: HttpApp, routes: ProviderRoutes): void {
  registerCallbackRoute(app, routes.callbacks);
  app.get(
    '/v1/providers',
    {
      config: { scope: 'providers:read' },
      schema: {
        ...TaggedProviders,
        summary: 'The providers, as this process sees them; 503 from one that does not run the service',
        response: { 200: ProviderList, 503: ProblemDocument },
      },
    },
    async (_request, reply) => sendList(reply, routes.statuses().map(renderStatus)),
  );
  app.get(
    '/v1/payments/:id/attempts',
    {
      config: { scope: 'payments:read' },
      schema: {
        ...TaggedProviders,
        summary: 'What was asked of providers for a payment',
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }),
        response: { 200: AttemptList, 404: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { tenant } = contextOf(request);
      const { id } = request.params;
      const data = await routes.reads.list(tenant, id);
      if (data.length === 0 && !(await routes.reads.isKnown(tenant, id)))
        return sendProblem(reply, problem('payments.not_found', `There is no payment ${id}.`));
      return sendList(reply, data);
    },
  );
}

function renderStatus({ name, breaker, inFlight, since }: GateStatus) {
  return { name, breaker, in_flight: inFlight, since: toRfc3339(since) };
}

function sendList(reply: FastifyReply, data: readonly unknown[]): FastifyReply {
  return sendJsonText(reply, { status: 200, body: JSON.stringify({ data, next_cursor: null }) });
}

/** In a context of its own, where a JSON body stays the bytes that were signed. */
function registerCallbackRoute(app: HttpApp, callbacks: CallbackDesk): void {
  void app.register(async (scope) => {
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    scope.post<{ Params: { provider: string } }>(
      '/v1/provider-callbacks/:provider',
      {
        config: { open: true, rawBody: 'application/json' },
        bodyLimit: CALLBACK_MAX_BYTES,
        schema: {
          ...TaggedProviders,
          summary: 'Where providers call back',
          description:
            'Signed by Standard Webhooks with the provider’s secret. Answers 200 once what it says is durable, however often it comes.',
          params: Type.Object({ provider: Type.String({ minLength: 1, maxLength: 64 }) }),
          response: { 200: Type.Object({}), '4xx': ProblemDocument, 503: ProblemDocument },
        },
      },
      (request, reply) => receive(callbacks, request, reply),
    );
  });
}

async function receive(
  callbacks: CallbackDesk,
  request: FastifyRequest<{ Params: { provider: string } }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const taken = await callbacks.receive(request.params.provider, {
    id: headerOf(request, 'webhook-id'),
    timestamp: headerOf(request, 'webhook-timestamp'),
    signature: headerOf(request, 'webhook-signature'),
    body,
  });
  if (taken.ok) return sendJsonText(reply, { status: 200, body: '{}' });
  const isUnauthentic = taken.problem.code === 'providers.callback_unauthentic';
  return sendProblem(reply, taken.problem, isUnauthentic ? { 'www-authenticate': 'StandardWebhooks' } : {});
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
