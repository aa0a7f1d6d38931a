/** `GET /v1/events`: the logs, as CloudEvents, for whoever wants to keep up with them (DESIGN §6). */
import { Type } from 'typebox';
import { renderCloudEvent } from '../log/cloud-event.ts';
import type { LogPages, LogPlace } from '../log/log-pages.ts';
import { MAX_CURSOR_LENGTH, malformedCursor, parseCursorOf, renderCursor } from './cursor.ts';
import type { HttpApp } from './http-app.ts';
import { contextOf } from './request-context.ts';
import { closed, DEFAULT_PAGE_LIMIT, Instant, MAX_PAGE_LIMIT, ProblemDocument } from './schemas.ts';
import { sendJsonText, sendProblem } from './send.ts';

const CloudEventDocument = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    id: Type.String({ description: '`topic/partition/position`' }),
    source: Type.String(),
    type: Type.String({ description: 'Such as `lastro.payment.requested.v1`.' }),
    subject: Type.String({ description: 'The id of what it is about.' }),
    time: Instant,
    datacontenttype: Type.Literal('application/json'),
    tenantid: Type.String(),
    partitionkey: Type.String(),
    sequence: Type.String({ description: 'The position, padded so that it compares as text.' }),
    correlationid: Type.String(),
    causationid: Type.String({ description: 'The id of the event, or of the request, that caused it.' }),
    traceparent: Type.Optional(Type.String()),
    data: Type.Object({}, { additionalProperties: true }),
  },
  { description: 'A CloudEvent 1.0 in the JSON format.' },
);

const CloudEventPage = Type.Object({
  data: Type.Array(CloudEventDocument),
  next_cursor: Type.String({
    description: 'Give it as `after` to go on, now or later: a log has no last page.',
  }),
  has_more: Type.Boolean({
    description: 'Whether the log goes on behind this page just now. If it does, an empty page is no end.',
  }),
});

export function registerEventRoutes(app: HttpApp, topics: readonly string[], pages: LogPages): void {
  const Query = closed({
    topic: Type.Unsafe<string>({ type: 'string', enum: [...topics], description: 'Whose log.' }),
    after: Type.Optional(
      Type.String({
        maxLength: MAX_CURSOR_LENGTH,
        description:
          'A `next_cursor`, or the id of an event: then what follows it in its partition. Empty: from the beginning.',
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE_LIMIT })),
  });
  app.get(
    '/v1/events',
    {
      config: { scope: 'events:read' },
      schema: {
        tags: ['events'],
        summary: 'Read a log, oldest first within each partition',
        description:
          'A page has about a megabyte at most: if events are large, it is short, and `next_cursor` goes on.',
        querystring: Query,
        response: { 200: CloudEventPage, 400: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { topic, after, limit = DEFAULT_PAGE_LIMIT } = request.query;
      const place = await placeOf(pages, topic, after);
      if (place === undefined) return sendProblem(reply, malformedCursor('after'));
      const page = await pages.read(topic, contextOf(request).tenant, place, limit);
      const body = {
        data: page.events.map(renderCloudEvent),
        next_cursor: renderCursor([listOf(topic), ...page.place.map(String)]),
        has_more: page.more,
      };
      return sendJsonText(reply, { status: 200, body: JSON.stringify(body) });
    },
  );
}

/** A log of as many partitions has the same places. */
function listOf(topic: string): string {
  return `events of ${topic}`;
}

/** Where reading starts; undefined for what is neither a cursor nor an event of the topic. */
async function placeOf(
  pages: LogPages,
  topic: string,
  after: string | undefined,
): Promise<LogPlace | undefined> {
  if (after === undefined || after === '') return [];
  const heads = await pages.heads(topic);
  const [, named, partition, position] = /^([a-z]+)\/(\d{1,4})\/(\d{1,15})$/.exec(after) ?? [];
  if (named !== undefined) {
    if (named !== topic || Number(partition) >= heads.length) return undefined;
    return heads.map((head, index) => (index === Number(partition) ? Number(position) : head));
  }
  const cursor = parseCursorOf(listOf(topic), after, heads.length);
  if (!cursor.ok || cursor.value === undefined) return undefined;
  const place = cursor.value.map(Number);
  return place.every((at) => Number.isSafeInteger(at) && at >= 0) ? place : undefined;
}
