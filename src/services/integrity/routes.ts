/** A payment's verdict and its timeline, from the logs alone. */
import { Type } from 'typebox';
import { isId } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { renderTimelineEvent } from '#platform/log/timeline.ts';
import { renderVerdict, type VerdictReads } from './reads.ts';

const Params = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

const TimelineDocument = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String({ description: '`topic/partition/position`' }),
      type: Type.String(),
      topic: Type.String(),
      occurred_at: Type.String({ format: 'date-time' }),
      correlation_id: Type.String(),
      causation: Type.String(),
      data: Type.Object({}, { additionalProperties: true }),
    }),
  ),
  next_cursor: Type.Null({ description: 'A timeline is one page.' }),
});

const VerdictDocument = Type.Object({
  payment_id: Type.String(),
  verdict: Type.Union([Type.Literal('running'), Type.Literal('complete'), Type.Literal('broken')]),
  stages: Type.Array(
    Type.Object({
      stage: Type.String(),
      event: Type.String(),
      type: Type.String(),
      at: Type.String({ format: 'date-time' }),
    }),
  ),
  findings: Type.Array(Type.Object({ kind: Type.String(), event: Type.String(), detail: Type.String() })),
  verified_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});

export function registerIntegrityRoutes(app: HttpApp, reads: VerdictReads): void {
  app.get(
    '/v1/payments/:id/events',
    {
      config: { scope: 'payments:read' },
      schema: {
        tags: ['payments'],
        summary: 'The timeline of a payment, oldest first',
        params: Params,
        response: { 200: TimelineDocument, 404: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const events = isId('pay', id) ? await reads.timeline(contextOf(request).tenant, id) : [];
      if (events.length === 0) return sendProblem(reply, notFound(id));
      const body = JSON.stringify({ data: events.map(renderTimelineEvent), next_cursor: null });
      return sendJsonText(reply, { status: 200, body });
    },
  );
  app.get(
    '/v1/payments/:id/verdict',
    {
      config: { scope: 'payments:read' },
      schema: {
        tags: ['payments'],
        summary: 'Whether every stage of a payment happened, judged from the logs alone',
        params: Params,
        response: { 200: VerdictDocument, 404: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const reading = isId('pay', id) ? await reads.find(contextOf(request).tenant, id) : undefined;
      if (reading === undefined) return sendProblem(reply, notFound(id));
      return sendJsonText(reply, { status: 200, body: JSON.stringify(renderVerdict(id, reading)) });
    },
  );
}

function notFound(id: string) {
  return problem('payments.not_found', `There is no payment ${id}.`);
}
