/** The payments API (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { type Admission, type CommandQueue, submitCommand } from '#platform/http/command-route.ts';
import { parseIdCursor, renderNext } from '#platform/http/cursor.ts';
import { sendFinalOr } from '#platform/http/final-answer.ts';
import type { FinalStates } from '#platform/http/final-states.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { parseInstant } from '#platform/http/instants.ts';
import { metadataTooLarge } from '#platform/http/metadata.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { paymentNotFound } from './changeable-payment.ts';
import { type Payment, type PaymentOrder, renderPayment } from './payment.ts';
import { REQUEST_PAYMENT } from './payment-intake.ts';
import type { PaymentFilter, PaymentReads } from './reads.ts';
import {
  PaymentDocument,
  PaymentListQuery,
  PaymentOrderBody,
  PaymentPage,
  PaymentParams,
} from './schemas.ts';

export interface PaymentRoutes {
  readonly intake: CommandQueue<PaymentOrder>;
  /** Refuses new orders while the stages lag too far behind. */
  readonly admission: Admission<PaymentOrder>;
  readonly reads: PaymentReads;
  readonly finalStates: FinalStates<Payment>;
}

const READ = { scope: 'payments:read' } as const;
const WRITE = { scope: 'payments:write', idempotencyKey: 'required', waits: true } as const;

export function registerPaymentRoutes(app: HttpApp, routes: PaymentRoutes): void {
  const request = {
    config: WRITE,
    schema: {
      tags: ['payments'],
      summary: 'Request a payment',
      description:
        'Answers 202 once the order is durable; the saga decides the rest. Needs an Idempotency-Key. With `Prefer: wait=N` the answer is the final state with 200, if it comes within N seconds.',
      body: PaymentOrderBody,
      response: { 200: PaymentDocument, 202: PaymentDocument, '4xx': ProblemDocument, 503: ProblemDocument },
    },
  };
  // The second is the route of requirement D1: an alias, so it shares the idempotency keys.
  for (const url of ['/v1/payments', '/payments']) {
    app.post(url, request, async (incoming, reply) => {
      await requestPayment(routes, incoming, reply);
      return reply;
    });
  }

  app.get(
    '/v1/payments/:id',
    {
      config: READ,
      schema: {
        tags: ['payments'],
        summary: 'Read a payment',
        params: PaymentParams,
        response: { 200: PaymentDocument, 404: ProblemDocument },
      },
    },
    async (incoming, reply) => {
      await sendPayment(routes.reads, { incoming, reply, id: incoming.params.id });
      return reply;
    },
  );
  app.get(
    '/v1/payments',
    {
      config: READ,
      schema: {
        tags: ['payments'],
        summary: 'List payments, newest first',
        description:
          'A page looks through a hundred thousand payments at most: if few of them match, it is short, and `next_cursor` goes on.',
        querystring: PaymentListQuery,
        response: { 200: PaymentPage, 400: ProblemDocument },
      },
    },
    async (incoming, reply) => {
      await sendPayments(routes.reads, { incoming, reply, query: incoming.query });
      return reply;
    },
  );
}

async function requestPayment(
  routes: PaymentRoutes,
  incoming: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const order = incoming.body as PaymentOrder;
  const obstacle = metadataTooLarge(order.metadata);
  if (obstacle !== undefined) return sendProblem(reply, obstacle);
  const outcome = await submitCommand<PaymentOrder>(incoming, routes.intake, {
    operation: REQUEST_PAYMENT,
    body: order,
    id: newId('pay'),
    admission: routes.admission,
  });
  if (!outcome.ok) return sendProblem(reply, outcome.problem);
  return sendFinalOr(incoming, reply, outcome.value, { states: routes.finalStates, render: renderPayment });
}

async function sendPayment(
  reads: PaymentReads,
  { incoming, reply, id }: { incoming: FastifyRequest; reply: FastifyReply; id: string },
): Promise<FastifyReply> {
  const found = isId('pay', id) ? await reads.find(contextOf(incoming).tenant, uuidOf(id)) : undefined;
  if (found === undefined) return sendProblem(reply, paymentNotFound(id));
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderPayment(found)) });
}

async function sendPayments(
  reads: PaymentReads,
  { incoming, reply, query }: { incoming: FastifyRequest; reply: FastifyReply; query: PaymentListQuery },
): Promise<FastifyReply> {
  const before = parseIdCursor('pay', query.cursor);
  if (!before.ok) return sendProblem(reply, before.problem);
  const { payments, next } = await reads.list(contextOf(incoming).tenant, filterOf(query), {
    before: before.value,
    limit: query.limit ?? DEFAULT_PAGE_LIMIT,
  });
  const next_cursor = renderNext(next, (uuid) => [idOf('pay', uuid)]);
  const page = { data: payments.map(renderPayment), next_cursor };
  return sendJsonText(reply, { status: 200, body: JSON.stringify(page) });
}

function filterOf(query: PaymentListQuery): PaymentFilter {
  return {
    ...(query.status === undefined ? {} : { status: query.status }),
    ...(query.wallet_id === undefined ? {} : { walletId: query.wallet_id }),
    ...(query.service_id === undefined ? {} : { serviceId: query.service_id }),
    ...(query.reference === undefined ? {} : { reference: query.reference }),
    ...(query.created_from === undefined ? {} : { createdFrom: parseInstant(query.created_from) }),
    ...(query.created_to === undefined ? {} : { createdTo: parseInstant(query.created_to) }),
  };
}
