import { Type } from 'typebox';
import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { NotificationReads } from './reads.ts';

const NotificationList = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String({ description: '`ntf_…`' }),
      subject: Type.String(),
      type: Type.String(),
      payload: Type.Object({}, { additionalProperties: true }),
      created_at: Type.String({ format: 'date-time' }),
    }),
  ),
  next_cursor: Type.Null(),
});

export function registerNotificationRoutes(app: HttpApp, reads: NotificationReads): void {
  app.get(
    '/v1/payments/:id/notifications',
    {
      config: { scope: 'notifications:read' },
      schema: {
        tags: ['notifications'],
        summary: 'What was told about a payment',
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }),
        response: { 200: NotificationList, 404: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { tenant } = contextOf(request);
      const { id } = request.params;
      const data = await reads.list(tenant, id);
      if (data.length === 0 && !(await reads.isKnown(tenant, id))) {
        return sendProblem(reply, problem('payments.not_found', `There is no payment ${id}.`));
      }
      return sendJsonText(reply, { status: 200, body: JSON.stringify({ data, next_cursor: null }) });
    },
  );
}
