import { Type } from 'typebox';
import { isId } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { Instant, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { NotificationReads } from './reads.ts';

const NotificationList = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String({ description: '`ntf_…`' }),
      subject: Type.String(),
      type: Type.String(),
      payload: Type.Object({}, { additionalProperties: true }),
      created_at: Instant,
    }),
  ),
  next_cursor: Type.Null(),
});

/** What can be told of, and what is answered about one that does not exist. */
const SUBJECTS = [
  {
    url: '/v1/payments/:id/notifications',
    summary: 'What was told about a payment',
    prefix: 'pay',
    unknown: (id: string) => problem('payments.not_found', `There is no payment ${id}.`),
  },
  {
    url: '/v1/refunds/:id/notifications',
    summary: 'What was told about a refund',
    prefix: 'ref',
    unknown: (id: string) => problem('refunds.not_found', `There is no refund ${id}.`),
  },
] as const;

const READ = { scope: 'notifications:read' } as const;

function schemaOf(summary: string) {
  return {
    tags: ['notifications'],
    summary,
    params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }),
    response: { 200: NotificationList, 404: ProblemDocument },
  };
}

export function registerNotificationRoutes(app: HttpApp, reads: NotificationReads): void {
  registerCardNotifications(app, reads);
  for (const { url, summary, prefix, unknown } of SUBJECTS) {
    app.get(url, { config: READ, schema: schemaOf(summary) }, async (request, reply) => {
      const { tenant } = contextOf(request);
      const { id } = request.params;
      const data = isId(prefix, id) ? await reads.list(tenant, id) : [];
      if (data.length === 0 && !(isId(prefix, id) && (await reads.isKnown(tenant, id))))
        return sendProblem(reply, unknown(id));
      return sendJsonText(reply, { status: 200, body: JSON.stringify({ data, next_cursor: null }) });
    });
  }
}

function registerCardNotifications(app: HttpApp, reads: NotificationReads): void {
  const schema = schemaOf('What the holder was told about a card transaction');
  app.get('/v1/card-transactions/:id/notifications', { config: READ, schema }, async (request, reply) => {
    const { id } = request.params;
    const data = isId('ctx', id) ? await reads.listOfCard(contextOf(request).tenant, id) : undefined;
    if (data === undefined)
      return sendProblem(
        reply,
        problem('cards.card_transaction_not_found', `There is no card transaction ${id}.`),
      );
    return sendJsonText(reply, { status: 200, body: JSON.stringify({ data, next_cursor: null }) });
  });
}
