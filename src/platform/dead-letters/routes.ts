/** The API of dead letters (U11): list, read, and order what becomes of them. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type Admission, type CommandQueue, sendOutcome, submitCommand } from '../http/command-route.ts';
import { parseIdCursor, renderPage, rowsFor } from '../http/cursor.ts';
import type { HttpApp } from '../http/http-app.ts';
import { parseInstant } from '../http/instants.ts';
import { contextOf } from '../http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '../http/schemas.ts';
import { sendJsonText, sendProblem } from '../http/send.ts';
import type { JsonObject } from '../log/event.ts';
import { renderDeadLetter, renderGroup } from './dead-letter.ts';
import { readDetail } from './dead-letter-detail.ts';
import type { DeadLetterOrder } from './dead-letter-orders.ts';
import type { GivenUpReads } from './given-up.ts';
import { objectionToEdit } from './given-up-edit.ts';
import type { DeadLetterFilter, DeadLetterReads } from './reads.ts';
import { renderReplay } from './replay.ts';
import {
  DeadLetterDetail,
  DeadLetterDocument,
  DeadLetterPage,
  DiscardDocument,
  DiscardSetBody,
  GiveUpBody,
  GroupList,
  GroupQuery,
  ListQuery,
  Params,
  ReplayBody,
  ReplayDocument,
  ReplaySetBody,
} from './schemas.ts';

export interface DeadLetterRoutes {
  readonly commands: CommandQueue<DeadLetterOrder>;
  /** What was decided under a key before is the answer, whatever is to be said against the order now. */
  readonly findDecided: Admission<DeadLetterOrder>['findDecided'];
  readonly reads: DeadLetterReads;
  /** Of the services that give up what they have tried outside. */
  readonly works: readonly GivenUpReads[];
  /** There is an order to execute. */
  readonly onOrdered: () => void;
}

const READ = { scope: 'dead_letters:read' } as const;
const WRITE = { scope: 'dead_letters:write', idempotencyKey: 'optional' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument } as const;
const TAGS = ['dead letters'];

export function registerDeadLetterRoutes(app: HttpApp, routes: DeadLetterRoutes): void {
  registerList(app, routes.reads);
  registerGroups(app, routes.reads);
  registerDetail(app, routes);
  registerReplay(app, routes);
  registerGiveUp(app, routes, {
    action: 'skip',
    summary: 'Pass over the event, and go on with what waits behind it',
  });
  registerGiveUp(app, routes, {
    action: 'discard',
    summary: 'Give up the event and all that waits behind it now',
  });
  registerSet(app, routes, REPLAYS);
  registerSet(app, routes, DISCARDS);
}

function registerList(app: HttpApp, reads: DeadLetterReads): void {
  const list = {
    tags: TAGS,
    summary: 'List what has failed for good, newest first',
    description:
      'Events that a consumer group could not handle, and calls of connectors and deliveries of webhooks that were given up.',
    querystring: ListQuery,
    response: { 200: DeadLetterPage, ...REFUSALS },
  };
  app.get('/v1/dead-letters', { config: READ, schema: list }, async (request, reply) => {
    await sendList(reads, { request, reply, query: request.query });
    return reply;
  });
}

function registerGroups(app: HttpApp, reads: DeadLetterReads): void {
  const schema = {
    tags: TAGS,
    summary: 'Count what has failed alike, most first',
    description:
      'By group, target, code and status of the error; of those that are open if no state is named.',
    querystring: GroupQuery,
    response: { 200: GroupList, ...REFUSALS },
  };
  app.get('/v1/dead-letters/groups', { config: READ, schema }, async (request, reply) => {
    const filter = { state: 'open' as const, ...filterOf(request.query) };
    const { groups, isComplete } = await reads.groups(contextOf(request).tenant, filter);
    return sendJson(reply, { data: groups.map(renderGroup), complete: isComplete });
  });
}

function registerDetail(app: HttpApp, { reads, works }: DeadLetterRoutes): void {
  const single = {
    tags: TAGS,
    summary: 'Read a dead letter: what it is about, the failure, what waits behind it, and what was done',
    params: Params,
    response: { 200: DeadLetterDetail, ...REFUSALS },
  };
  app.get('/v1/dead-letters/:id', { config: READ, schema: single }, async (request, reply) => {
    const { id } = request.params;
    const letter = isId('dlt', id) ? await reads.find(contextOf(request).tenant, uuidOf(id)) : undefined;
    if (letter === undefined) return sendProblem(reply, notFound(id));
    return sendJson(reply, await readDetail(reads, letter, works));
  });
}

async function sendList(
  reads: DeadLetterReads,
  {
    request,
    reply,
    query,
  }: {
    request: FastifyRequest;
    reply: FastifyReply;
    query: ListQuery;
  },
): Promise<FastifyReply> {
  const { limit = DEFAULT_PAGE_LIMIT, cursor: given, ...asked } = query;
  const before = parseIdCursor('dlt', given);
  if (!before.ok) return sendProblem(reply, before.problem);
  const letters = await reads.list(contextOf(request).tenant, filterOf(asked), {
    before: before.value,
    limit: rowsFor(limit),
  });
  const { data, next_cursor } = renderPage(letters, limit, (last) => [idOf('dlt', last.id)]);
  return sendJson(reply, { data: data.map((letter) => renderDeadLetter(letter)), next_cursor });
}

function filterOf({ failed_from: from, failed_to: to, ...names }: GroupQuery): DeadLetterFilter {
  return {
    ...names,
    ...(from === undefined ? {} : { failedFrom: parseInstant(from) }),
    ...(to === undefined ? {} : { failedTo: parseInstant(to) }),
  };
}

function registerReplay(app: HttpApp, routes: DeadLetterRoutes): void {
  const schema = {
    tags: TAGS,
    summary: 'Have it tried once more, as it is or with other data',
    description:
      'Answers 202 once the order is durable; it is executed within seconds where a process runs the group. If the event is handled, what waits behind it follows, in order. If it fails again the dead letter stays open. The event in the log is never changed. What was given up is replayed when something new has taken its place: an integration through the newest version of its connector, or a delivery.',
    params: Params,
    body: ReplayBody,
    response: { 202: DeadLetterDocument, ...REFUSALS },
  };
  app.post('/v1/dead-letters/:id/replay', { config: WRITE, schema }, async (request, reply) => {
    const { data, reason } = request.body ?? {};
    const body = {
      operation: 'dead_letters.replay',
      dead_letter_id: request.params.id,
      ...(data === undefined ? {} : { data: data as JsonObject }),
      ...(reason === undefined ? {} : { reason }),
    } as const;
    await run(request, reply, { routes, body, id: newId('rdl') });
    return reply;
  });
}

function registerGiveUp(
  app: HttpApp,
  routes: DeadLetterRoutes,
  { action, summary }: { action: 'skip' | 'discard'; summary: string },
): void {
  const schema = {
    tags: TAGS,
    summary,
    description:
      'For this group alone, and for good; of what was given up, both do the same. Of an event what it would have done for the event is left undone, and `lastro verify` goes on reporting what is missing by it.',
    params: Params,
    body: GiveUpBody,
    response: { 202: DeadLetterDocument, ...REFUSALS },
  };
  app.post(`/v1/dead-letters/:id/${action}`, { config: WRITE, schema }, async (request, reply) => {
    const { reason } = request.body;
    const body = { operation: `dead_letters.${action}`, dead_letter_id: request.params.id, reason } as const;
    await run(request, reply, { routes, body, id: newId('rdl') });
    return reply;
  });
}

const FROZEN =
  'The set is what is open, matches and has no order pending when it is asked for; at most 10 000.';

const REPLAYS = {
  action: 'replay',
  summary: 'Replay all open dead letters that match, in the background',
  description: `${FROZEN} Without a filter, all of the tenant.`,
  body: ReplaySetBody,
  document: ReplayDocument,
} as const;

const DISCARDS = {
  action: 'discard',
  summary: 'Discard all open dead letters that match, in the background',
  description: `${FROZEN} Each as if it were discarded by itself, for the same reason.`,
  body: DiscardSetBody,
  document: DiscardDocument,
} as const;

type SetRoutes = typeof REPLAYS | typeof DISCARDS;

function registerSet(app: HttpApp, routes: DeadLetterRoutes, of: SetRoutes): void {
  const { action, document, ...described } = of;
  const schema = { tags: TAGS, ...described, response: { 202: document, ...REFUSALS } };
  app.post(`/v1/dead-letters/${action}s`, { config: WRITE, schema }, async (request, reply) => {
    const body = { operation: `dead_letters.${action}_set`, ...request.body } as const;
    await run(request, reply, { routes, body, id: newId('rpl') });
    return reply;
  });
  registerProgress(app, routes, of);
}

function registerProgress(
  app: HttpApp,
  { reads }: DeadLetterRoutes,
  { action, document }: Pick<SetRoutes, 'action' | 'document'>,
): void {
  const schema = {
    tags: TAGS,
    summary: `How far a ${action} of many is`,
    params: Params,
    response: { 200: document, ...REFUSALS },
  };
  app.get(`/v1/dead-letters/${action}s/:id`, { config: READ, schema }, async (request, reply) => {
    const { id } = request.params;
    const { tenant } = contextOf(request);
    const found = isId('rpl', id) ? await reads.findReplay(tenant, uuidOf(id), action) : undefined;
    return found === undefined
      ? sendProblem(reply, problem('dead_letters.replay_not_found', `There is no ${action} ${id}.`))
      : sendJson(reply, renderReplay(found));
  });
}

async function run(
  request: FastifyRequest,
  reply: FastifyReply,
  { routes, body, id }: { routes: DeadLetterRoutes; body: DeadLetterOrder; id: string },
): Promise<FastifyReply> {
  const { tenant } = contextOf(request);
  const { commands, findDecided } = routes;
  const objection = await objectionToEdit({ tenant, order: body }, routes);
  const admission = { obstacle: () => objection, findDecided };
  const outcome = await submitCommand(request, commands, { operation: body.operation, body, id, admission });
  if (!outcome.ok) return sendProblem(reply, outcome.problem);
  routes.onOrdered();
  return sendOutcome(reply, outcome.value);
}

function sendJson(reply: FastifyReply, body: JsonObject): FastifyReply {
  return sendJsonText(reply, { status: 200, body: JSON.stringify(body) });
}

function notFound(id: string): Problem {
  return problem('dead_letters.not_found', `There is no dead letter ${id}.`);
}
