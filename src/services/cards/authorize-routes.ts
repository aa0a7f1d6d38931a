/**
 * The two routes of the authorizer (K1). Whatever comes in from somebody who is known is answered 200 with a code: these
 * routes take any content type, read the bytes themselves, and turn what the edge would refuse into `07`. Who is not
 * known, or comes too often, is refused as everywhere (401, 403, 429): nothing of his could be recorded.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { Fault } from '#kernel/fault.ts';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import type { Reach } from '#platform/egress/reachable.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { parseIdempotencyKey } from '#platform/http/idempotency-key.ts';
import { encodingRefusal } from '#platform/http/json-content.ts';
import { IDEMPOTENCY_KEY, REPLAYED } from '#platform/http/operation-docs.ts';
import { ProblemError } from '#platform/http/problem-error.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { sendJsonText } from '#platform/http/send.ts';
import { DEADLINE_MS } from './answer-way.ts';
import type { Authorized, Authorizer } from './authorizer.ts';
import { answerOf, type Code } from './card-transaction.ts';
import { type Reading, readCardTransaction, unreadable } from './read-card-transaction.ts';
import { CardAnswerDocument, CardPendingDocument, CardTransactionBody, CodeDocument } from './schemas.ts';

/** Nobody is kept waiting for longer, whatever X-Deadline-Ms asks for. */
const DEADLINE_MAX_MS = 30_000;

const DESCRIPTION =
  'Always 200. The answer comes within 100 ms of the arrival, or within `X-Deadline-Ms` (at most 30000). `07` means that nothing was applied.';

const CALLBACK_DESCRIPTION =
  ' With `callback_url`, in the request or registered on the card (null in the request: not for this one), it is 202, without a deadline, as soon as the decision is durable, and the decision is sent there, signed (Standard Webhooks) by the secret of `POST /v1/webhook-endpoints/callbacks/rotate-secret`; a repeat is answered at once.';

const HEADERS = {
  read: {
    'Idempotency-Key': IDEMPOTENCY_KEY,
    'X-Deadline-Ms': {
      type: 'integer',
      description: `Until when the answer must be there, from the arrival: 1 or more, of which ${DEADLINE_MAX_MS} at most are used; ${DEADLINE_MS} if it is not sent.`,
    },
  },
  sent: { 'Idempotency-Replayed': REPLAYED },
} as const;

type Render = (authorized: Authorized) => string;

export interface AuthorizeRoutes {
  readonly authorizer: Pick<Authorizer, 'authorize'>;
  /** Where callbacks may lead. */
  readonly reach: Reach;
  readonly onAnswered: (code: Code) => void;
}

/** One of the two addresses: what it answers, and whether answers are sent from it. */
interface Address {
  readonly url: string;
  readonly description: string;
  readonly response: Readonly<Record<number, TSchema>>;
  readonly render: Render;
  readonly reach: Reach | undefined;
}

export function registerAuthorizeRoutes(app: HttpApp, routes: AuthorizeRoutes): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    registerAddress(scope, routes, {
      url: '/v1/card-transactions',
      description: DESCRIPTION + CALLBACK_DESCRIPTION,
      response: { 200: CardAnswerDocument, 202: CardPendingDocument },
      render: renderAnswer,
      reach: routes.reach,
    });
    registerAddress(scope, routes, {
      url: '/transactions',
      description: DESCRIPTION,
      response: { 200: CodeDocument },
      render: renderCode,
      reach: undefined,
    });
  });
}

function registerAddress(scope: HttpApp, routes: AuthorizeRoutes, address: Address): void {
  const { url, description, response, render, reach } = address;
  scope.route({
    method: 'POST',
    url,
    config: { scope: 'card_transactions:write', headers: HEADERS },
    schema: {
      tags: ['cards'],
      summary: 'Decide a card transaction',
      description,
      body: CardTransactionBody,
      response,
    },
    // The schema describes; what does not fit it is a `07`, which is decided like the others.
    validatorCompiler: () => () => true,
    handler: (request, reply) =>
      authorize(routes, { request, reply, render, reading: readingOf(request, reach) }),
    errorHandler(error, request, reply) {
      if (!isAboutBody(error, request)) {
        reply.send(error);
        return;
      }
      void answerUnreadable(routes, { request, reply, render, reading: unreadable('body') });
    },
  });
}

async function answerUnreadable(routes: AuthorizeRoutes, exchange: Exchange): Promise<void> {
  try {
    await authorize(routes, exchange);
  } catch (error) {
    exchange.reply.send(error);
  }
}

/** Whether who asks was let in, and then the body could not be taken: too large, broken off. What the edge refuses is not that. */
function isAboutBody(error: unknown, { caller, body }: FastifyRequest): boolean {
  const isRefused = error instanceof Fault || error instanceof ProblemError;
  return caller !== null && body === undefined && !isRefused;
}

function readingOf(request: FastifyRequest, reach: Reach | undefined): Reading {
  const { headers, body } = request;
  if (!isJson(headers['content-type'])) return unreadable('content type');
  const encoding = encodingRefusal(headers);
  if (encoding !== undefined) return unreadable(encoding);
  if (!(body instanceof Buffer) || body.length === 0) return unreadable('no body');
  const key = parseIdempotencyKey(request.raw);
  if (!key.ok) return unreadable('idempotency key');
  if (deadlineOf(headers['x-deadline-ms']) === undefined) return unreadable('X-Deadline-Ms');
  return readCardTransaction(body, { key: key.value, reach });
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(?:;|$)/i.test(contentType);
}

function deadlineOf(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return DEADLINE_MS;
  if (typeof header !== 'string' || !/^[1-9]\d{0,14}$/.test(header)) return undefined;
  return Math.min(Number(header), DEADLINE_MAX_MS);
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly render: Render;
  readonly reading: Reading;
}

async function authorize(
  { authorizer, onAnswered }: AuthorizeRoutes,
  { request, reply, render, reading }: Exchange,
): Promise<FastifyReply> {
  const arrivedAt = performance.now() - reply.elapsedTime;
  const { tenant, correlationId, traceparent } = contextOf(request);
  const { socket } = request.raw;
  const authorized = await authorizer.authorize({
    tenant,
    uuid: uuidOf(newId('ctx')),
    reading,
    arrivedAt,
    deadlineMs: deadlineOf(request.headers['x-deadline-ms']) ?? DEADLINE_MS,
    // Who has closed his side hears nothing any more: Node then closes ours behind the answer.
    isGone: () => socket.destroyed || socket.readableEnded,
    correlationId,
    causation: newId('req'),
    traceparent: traceparent ?? null,
  });
  onAnswered(authorized.cardTransaction.code);
  if (authorized.repeated) reply.header('idempotency-replayed', 'true');
  if (authorized.isSent) return sendJsonText(reply, { status: 202, body: renderPending(authorized) });
  return sendJsonText(reply, { status: 200, body: render(authorized) });
}

function renderPending({ cardTransaction: { uuid } }: Authorized): string {
  return JSON.stringify({ id: idOf('ctx', uuid), status: 'pending' });
}

function renderCode({ cardTransaction: { code } }: Authorized): string {
  return `{"code":"${code}"}`;
}

function renderAnswer({ cardTransaction }: Authorized): string {
  return JSON.stringify(answerOf(cardTransaction));
}
