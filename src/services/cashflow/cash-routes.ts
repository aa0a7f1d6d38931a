/** The API of cash entries (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type CommandQueue, runCommand } from '#platform/http/command-route.ts';
import { malformedCursor, parseCursor, renderNext } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { isCalendarDate } from '#platform/http/instants.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { CSV_TYPE, formatOf } from '#platform/http/row-format.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { renderCashCsv } from './cash-csv.ts';
import { renderCashEntry } from './cash-entry.ts';
import type { CashOrder } from './cash-orders.ts';
import type { CashflowProblemCode } from './problems.ts';
import type { CashEntryPlace, CashReads } from './reads.ts';
import { cashEntryNotFound } from './reverse-cash-entry.ts';
import {
  CashEntryBody,
  CashEntryDocument,
  CashEntryListQuery,
  CashEntryPage,
  CashEntryParams,
  ReversalBody,
} from './schemas.ts';

export interface CashRoutes {
  readonly commands: CommandQueue<CashOrder>;
  readonly reads: CashReads;
}

const READ = { scope: 'cash_entries:read' } as const;
const LIST = {
  ...READ,
  headers: {
    sent: { 'Next-Cursor': { type: 'string', description: 'Of CSV: `next_cursor`, unless it is null.' } },
  },
} as const;
const MOVES_MONEY = { scope: 'cash_entries:write', idempotencyKey: 'required' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };

export function registerCashRoutes(app: HttpApp, routes: CashRoutes): void {
  registerCommands(app, routes);
  registerReads(app, routes);
}

function registerCommands(app: HttpApp, { commands }: CashRoutes): void {
  const create = {
    tags: ['cash flow'],
    summary: 'Record a cash entry',
    description:
      'Recorded and posted at once, against the account of its category, which is opened when it is first used. It counts for the day that it occurred on. It never changes; a reversal gives it back.',
    body: CashEntryBody,
    response: { 201: CashEntryDocument, ...REFUSALS },
  };
  app.post('/v1/cash-entries', { config: MOVES_MONEY, schema: create }, async (request, reply) => {
    await runCommand<CashOrder>(request, reply, commands, {
      operation: 'cash_entries.create',
      body: { operation: 'cash_entries.create', ...request.body },
      id: newId('cen'),
    });
    return reply;
  });
  const reverse = {
    tags: ['cash flow'],
    summary: 'Reverse a cash entry',
    description:
      'By a new entry the other way round, once. It counts for its own day: today, where the account is, unless a day since the entry is given.',
    params: CashEntryParams,
    body: ReversalBody,
    response: { 201: CashEntryDocument, ...REFUSALS },
  };
  app.post(
    '/v1/cash-entries/:id/reversal',
    { config: MOVES_MONEY, schema: reverse },
    async (request, reply) => {
      await runCommand<CashOrder>(request, reply, commands, {
        operation: 'cash_entries.reverse',
        body: { operation: 'cash_entries.reverse', cash_entry_id: request.params.id, ...request.body },
        id: newId('cen'),
      });
      return reply;
    },
  );
}

function registerReads(app: HttpApp, { reads }: CashRoutes): void {
  const read = {
    tags: ['cash flow'],
    summary: 'Read a cash entry',
    params: CashEntryParams,
    response: { 200: CashEntryDocument, 404: ProblemDocument },
  };
  app.get('/v1/cash-entries/:id', { config: READ, schema: read }, async (request, reply) => {
    await sendCashEntry(reads, { request, reply, id: request.params.id });
    return reply;
  });
  const list = {
    tags: ['cash flow'],
    summary: 'List cash entries, the newest day first',
    description:
      'A page looks through ten thousand entries at most: if few of them match, it is short, and `next_cursor` goes on. `Accept: text/csv` gives a page as CSV, under a header row.',
    querystring: CashEntryListQuery,
    response: {
      200: {
        description: 'Or as CSV, with the `id` and the `line` of `import` as columns of their own.',
        content: { 'application/json': { schema: CashEntryPage }, 'text/csv': { schema: Type.String() } },
      },
      '4xx': ProblemDocument,
    },
  };
  app.get('/v1/cash-entries', { config: LIST, schema: list }, async (request, reply) => {
    await sendCashEntries(reads, { request, reply, query: request.query });
    return reply;
  });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function sendCashEntry(
  reads: CashReads,
  { request, reply, id }: Exchange & { readonly id: string },
): Promise<FastifyReply> {
  const { tenant } = contextOf(request);
  const found = isId('cen', id) ? await reads.findCashEntry(tenant, uuidOf(id)) : undefined;
  if (found === undefined) return sendProblem(reply, cashEntryNotFound(id));
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderCashEntry(found)) });
}

async function sendCashEntries(
  reads: CashReads,
  { request, reply, query }: Exchange & { readonly query: CashEntryListQuery },
): Promise<FastifyReply> {
  const filter = filterOf(query);
  const { occurredFrom: from, occurredTo: to } = filter;
  if (from !== undefined && to !== undefined && to < from) return sendProblem(reply, backwards(from, to));
  const before = placeIn(query.cursor);
  if (!before.ok) return sendProblem(reply, before.problem);
  const { entries, next } = await reads.listCashEntries(contextOf(request).tenant, filter, {
    before: before.value,
    limit: query.limit ?? DEFAULT_PAGE_LIMIT,
  });
  const next_cursor = renderNext(next, ({ occurredOn, uuid }) => [occurredOn, idOf('cen', uuid)]);
  reply.header('vary', 'accept');
  if (formatOf(request.headers.accept) === 'csv') {
    if (next_cursor !== null) reply.header('next-cursor', next_cursor);
    return reply.header('content-type', CSV_TYPE).send(renderCashCsv(entries));
  }
  const page = { data: entries.map(renderCashEntry), next_cursor };
  return sendJsonText(reply, { status: 200, body: JSON.stringify(page) });
}

function backwards(from: string, to: string): Problem<CashflowProblemCode> {
  return problem('cashflow.range_ends_before_it_starts', `${to} is before ${from}.`);
}

function filterOf(query: CashEntryListQuery) {
  return {
    accountId: query.account_id,
    occurredFrom: given(query.occurred_from, query.from).at(-1),
    occurredTo: given(query.occurred_to, query.to).at(0),
    direction: query.direction,
    category: query.category,
    text: query.text,
  };
}

/** Ascending: of a bound that has both its names, both hold. */
function given(...days: readonly (string | undefined)[]): string[] {
  return days.filter((day) => day !== undefined).toSorted();
}

/** A cursor's texts are input: a day and an id. */
function placeIn(cursor: string | undefined): Decision<CashEntryPlace | undefined> {
  const key = parseCursor(cursor, 2);
  if (!key.ok) return key;
  if (key.value === undefined) return accepted(undefined);
  const [occurredOn = '', id = ''] = key.value;
  if (!isCalendarDate(occurredOn) || !isId('cen', id)) return refused(malformedCursor());
  return accepted({ occurredOn, uuid: uuidOf(id) });
}
