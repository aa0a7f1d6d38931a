/** Verdicts and timelines of payments and refunds, from the logs alone. */
import { Type } from 'typebox';
import { isId } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import { malformedCursor, parseCursor, renderPage } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import {
  closed,
  Instant,
  MAX_PAGE_LIMIT,
  nullable,
  ProblemDocument,
  pageOf,
  pageQuery,
} from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { renderTimelineEvent } from '#platform/log/timeline.ts';
import type { CardVerdictReads } from './card-verdicts.ts';
import { renderVerdict, type VerdictReads } from './reads.ts';
import { notFound, RESOURCES, type Resource, ResourceParams } from './resource.ts';

const TimelinePage = pageOf(
  Type.Object({
    id: Type.String({ description: '`topic/partition/position`' }),
    type: Type.String(),
    topic: Type.String(),
    occurred_at: Instant,
    correlation_id: Type.String(),
    causation: Type.String(),
    data: Type.Object({}, { additionalProperties: true }),
  }),
);

/** Whoever reads a timeline wants it whole, and nearly every one has a dozen events: the default is the most there can be. */
const TimelineQuery = closed({
  ...pageQuery,
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_PAGE_LIMIT, description: `Default ${MAX_PAGE_LIMIT}.` }),
  ),
});

const verdictMembers = {
  verdict: Type.Union([Type.Literal('running'), Type.Literal('complete'), Type.Literal('broken')]),
  stages: Type.Array(
    Type.Object({
      stage: Type.String(),
      event: Type.String(),
      type: Type.String(),
      at: Instant,
    }),
  ),
  findings: Type.Array(Type.Object({ kind: Type.String(), event: Type.String(), detail: Type.String() })),
  verified_at: nullable(Instant),
};

export function registerIntegrityRoutes(app: HttpApp, reads: VerdictReads, cards: CardVerdictReads): void {
  registerCardVerdict(app, cards);
  for (const resource of RESOURCES) {
    registerTimeline(app, reads, resource);
    registerVerdict(app, reads, resource);
  }
}

function registerTimeline(app: HttpApp, reads: VerdictReads, resource: Resource): void {
  app.get(
    `${resource.path}/events`,
    {
      config: { scope: 'payments:read' },
      schema: {
        tags: [resource.tag],
        summary: `The timeline of a ${resource.name}, oldest first`,
        params: ResourceParams,
        querystring: TimelineQuery,
        response: { 200: TimelinePage, 400: ProblemDocument, 404: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { limit = MAX_PAGE_LIMIT, cursor } = request.query;
      const after = parseCursor(cursor, 1);
      if (!after.ok) return sendProblem(reply, after.problem);
      const events = isId(resource.prefix, id) ? await reads.timeline(contextOf(request).tenant, id) : [];
      if (events.length === 0) return sendProblem(reply, notFound(resource, id));
      const rest = eventsAfter(events, after.value?.[0]);
      if (rest === undefined) return sendProblem(reply, malformedCursor());
      const { data, next_cursor } = renderPage(rest, limit, (last) => [eventIdentity(last)]);
      const body = JSON.stringify({ data: data.map(renderTimelineEvent), next_cursor });
      return sendJsonText(reply, { status: 200, body });
    },
  );
}

/** Those behind the one of that identity; undefined if it is not among them. */
function eventsAfter(
  events: readonly LogEvent[],
  identity: string | undefined,
): readonly LogEvent[] | undefined {
  if (identity === undefined) return events;
  const at = events.findIndex((event) => eventIdentity(event) === identity);
  return at === -1 ? undefined : events.slice(at + 1);
}

function registerVerdict(app: HttpApp, reads: VerdictReads, resource: Resource): void {
  const { prefix, idMember } = resource;
  app.get(
    `${resource.path}/verdict`,
    {
      config: { scope: 'payments:read' },
      schema: {
        tags: [resource.tag],
        summary: `Whether every stage of a ${resource.name} happened, judged from the logs alone`,
        params: ResourceParams,
        response: {
          200: Type.Object({ [idMember]: Type.String(), ...verdictMembers }),
          404: ProblemDocument,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const reading = isId(prefix, id) ? await reads.find(contextOf(request).tenant, id) : undefined;
      if (reading === undefined) return sendProblem(reply, notFound(resource, id));
      return sendJsonText(reply, {
        status: 200,
        body: JSON.stringify(renderVerdict({ [idMember]: id }, reading)),
      });
    },
  );
}

function registerCardVerdict(app: HttpApp, reads: CardVerdictReads): void {
  app.get(
    '/v1/card-transactions/:id/verdict',
    {
      config: { scope: 'cards:read' },
      schema: {
        tags: ['cards'],
        summary: 'Whether a card transaction was decided, posted and told as it should be',
        params: ResourceParams,
        response: {
          200: Type.Object({ card_transaction_id: Type.String(), ...verdictMembers }),
          404: ProblemDocument,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const reading = isId('ctx', id) ? await reads.find(contextOf(request).tenant, id) : undefined;
      if (reading === undefined)
        return sendProblem(
          reply,
          problem('cards.card_transaction_not_found', `There is no card transaction ${id}.`),
        );
      const body = JSON.stringify(renderVerdict({ card_transaction_id: id }, reading));
      return sendJsonText(reply, { status: 200, body });
    },
  );
}
