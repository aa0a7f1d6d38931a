/** Reading refunds (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { idOf, isId, uuidOf } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import { parseIdCursor, renderPage, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { paymentNotFound } from './changeable-payment.ts';
import type { PaymentReads } from './reads.ts';
import { type Refund, renderRefund } from './refund.ts';
import type { RefundReads } from './refund-reads.ts';
import { AllRefundsQuery, PaymentParams, RefundDocument, RefundListQuery, RefundPage } from './schemas.ts';

export interface RefundRoutes {
  readonly reads: PaymentReads;
  readonly refunds: RefundReads;
}

const READ = { scope: 'payments:read' } as const;

export function registerRefundRoutes(app: HttpApp, routes: RefundRoutes): void {
  const single = {
    tags: ['payments'],
    summary: 'Read a refund',
    params: PaymentParams,
    response: { 200: RefundDocument, 404: ProblemDocument },
  };
  app.get('/v1/refunds/:id', { config: READ, schema: single }, async (incoming, reply) => {
    await sendRefund(routes.refunds, { incoming, reply, id: incoming.params.id });
    return reply;
  });

  registerAllRefunds(app, routes.refunds);

  const list = {
    tags: ['payments'],
    summary: 'List the refunds of a payment, newest first',
    params: PaymentParams,
    querystring: RefundListQuery,
    response: { 200: RefundPage, 400: ProblemDocument, 404: ProblemDocument },
  };
  app.get('/v1/payments/:id/refunds', { config: READ, schema: list }, async (incoming, reply) => {
    await sendRefunds(routes, { incoming, reply, id: incoming.params.id, query: incoming.query });
    return reply;
  });
}

function registerAllRefunds(app: HttpApp, refunds: RefundReads): void {
  const schema = {
    tags: ['payments'],
    summary: 'List refunds, newest first',
    description: 'All, or with `status` those that wait for a person: of these `failure` says why.',
    querystring: AllRefundsQuery,
    response: { 200: RefundPage, 400: ProblemDocument },
  };
  app.get('/v1/refunds', { config: READ, schema }, async (incoming, reply) => {
    const { status, cursor, limit = DEFAULT_PAGE_LIMIT } = incoming.query;
    const before = parseIdCursor('ref', cursor);
    if (!before.ok) return sendProblem(reply, before.problem);
    const { tenant } = contextOf(incoming);
    const place = { before: before.value, limit: rowsFor(limit) };
    const found = await (status === undefined
      ? refunds.listAll(tenant, place)
      : refunds.listInDoubt(tenant, place));
    return sendPage(reply, found, limit);
  });
}

function sendPage(reply: FastifyReply, found: readonly Refund[], limit: number): FastifyReply {
  const { data, next_cursor } = renderPage(found, limit, (last) => [idOf('ref', last.uuid)]);
  return sendJsonText(reply, {
    status: 200,
    body: JSON.stringify({ data: data.map(renderRefund), next_cursor }),
  });
}

interface Asked {
  readonly incoming: FastifyRequest;
  readonly reply: FastifyReply;
  readonly id: string;
}

async function sendRefund(refunds: RefundReads, { incoming, reply, id }: Asked): Promise<FastifyReply> {
  const found = isId('ref', id) ? await refunds.find(contextOf(incoming).tenant, uuidOf(id)) : undefined;
  if (found === undefined)
    return sendProblem(reply, problem('refunds.not_found', `There is no refund ${id}.`));
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderRefund(found)) });
}

async function sendRefunds(
  { reads, refunds }: RefundRoutes,
  { incoming, reply, id, query }: Asked & { readonly query: RefundListQuery },
): Promise<FastifyReply> {
  const before = parseIdCursor('ref', query.cursor);
  if (!before.ok) return sendProblem(reply, before.problem);
  const { tenant } = contextOf(incoming);
  if (!isId('pay', id)) return sendProblem(reply, paymentNotFound(id));
  const limit = query.limit ?? DEFAULT_PAGE_LIMIT;
  const [payment, found] = await Promise.all([
    reads.find(tenant, uuidOf(id)),
    refunds.list(tenant, uuidOf(id), {
      before: before.value,
      limit: rowsFor(limit),
    }),
  ]);
  if (payment === undefined) return sendProblem(reply, paymentNotFound(id));
  return sendPage(reply, found, limit);
}
