/** The API of imports (DESIGN §6). The only route that takes another body than JSON: a file, as it comes. */
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Id, isId, newId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type CommandQueue, sendOutcome, submitCommand } from '#platform/http/command-route.ts';
import { malformedCursor, NamedList, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { requireIdempotencyKey } from '#platform/http/idempotency-key.ts';
import { encodingRefusal } from '#platform/http/json-content.ts';
import { edgeProblem } from '#platform/http/problem-error.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument, type SchemaTypes } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { createValidatorCompiler } from '#platform/http/validation.ts';
import type { CashOrder } from './cash-orders.ts';
import { renderImport, renderLineError } from './import.ts';
import type { CashflowProblemCode } from './problems.ts';
import type { CashReads } from './reads.ts';
import {
  CashEntryParams,
  ImportBody,
  ImportDocument,
  ImportErrorListQuery,
  ImportErrorPage,
  ImportQuery,
} from './schemas.ts';
import { IMPORT_BYTES_MAX, tooLarge, type Uploads } from './uploads.ts';

export interface ImportRoutes {
  readonly commands: CommandQueue<CashOrder>;
  readonly reads: CashReads;
  readonly uploads: Uploads;
  /** There may be a new import. */
  readonly onBegun: () => void;
}

const READ = { scope: 'cash_entries:read' } as const;
const WRITE = { scope: 'cash_entries:write', idempotencyKey: 'required' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };

export function registerImportRoutes(app: HttpApp, routes: ImportRoutes): void {
  registerSending(app, routes);
  registerReading(app, routes.reads);
}

/** In a scope of its own, which alone takes CSV. */
function registerSending(app: HttpApp, routes: ImportRoutes): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('text/csv', takeAsItComes);
    const schema = {
      tags: ['cash flow'],
      summary: 'Import cash entries',
      description:
        'The body is CSV (RFC 4180) in UTF-8, at most 64 MiB, sent within half a minute: a first line with the names of the columns (`account_id`, `direction`, `amount` in minor units, `occurred_on`, `description`, `category`), then an entry a line. It is answered when the file is kept; its lines are recorded behind it. Lines of the same bytes for the same account are recorded once, however often they are sent: sent again, what failed is tried again.',
      consumes: ['text/csv'],
      querystring: ImportQuery,
      body: ImportBody,
      response: { 202: ImportDocument, ...REFUSALS },
    };
    const compile = createValidatorCompiler();
    // The file is read by lines; its schema describes it.
    scope.setValidatorCompiler((part) => (part.httpPart === 'body' ? () => true : compile(part)));
    scope
      .withTypeProvider<SchemaTypes>()
      .post('/v1/cash-entries/imports', { config: WRITE, schema }, async (request, reply) => {
        await takeFile(routes, { request, reply, query: request.query });
        return reply;
      });
  });
}

/** Fastify's parser of `text/csv`. */
function takeAsItComes(
  { headers }: FastifyRequest,
  content: Readable,
  done: (error: Error | null, value?: Readable) => void,
): void {
  const unreadable = encodingRefusal(headers);
  if (unreadable === undefined) done(null, content);
  else done(edgeProblem('request.unsupported_media_type', unreadable));
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function takeFile(
  routes: ImportRoutes,
  { request, reply, query }: Exchange & { readonly query: ImportQuery },
): Promise<FastifyReply> {
  const key = requireIdempotencyKey(request.raw);
  if (!key.ok) return refuse(reply, key.problem);
  if (request.body === undefined) return refuse(reply, noFile());
  if (Number(request.headers['content-length'] ?? 0) > IMPORT_BYTES_MAX)
    return refuse(reply, tooLarge(IMPORT_BYTES_MAX));
  const id = newId('imp');
  try {
    return await importFile(routes, { request, reply, query, id });
  } finally {
    await routes.uploads.discard(uuidOf(id));
  }
}

async function importFile(
  { uploads, commands, onBegun }: ImportRoutes,
  { request, reply, query, id }: Exchange & { readonly query: ImportQuery; readonly id: Id<'imp'> },
): Promise<FastifyReply> {
  const file = await uploads.take(uuidOf(id), request.body as Readable, query.account_id);
  if (!file.ok) return refuse(reply, file.problem);
  const outcome = await submitCommand<CashOrder>(request, commands, {
    operation: 'cash_entries.import',
    body: {
      operation: 'cash_entries.import',
      ...file.value,
      account_id: query.account_id ?? null,
      on_error: query.on_error ?? 'keep',
    },
    id,
  });
  if (!outcome.ok) return sendProblem(reply, outcome.problem);
  onBegun();
  return sendOutcome(reply, outcome.value);
}

/** What is still coming is not waited for. */
function refuse(reply: FastifyReply, refusal: Problem): FastifyReply {
  return sendProblem(reply, refusal, { connection: 'close' });
}

function noFile(): Problem<CashflowProblemCode> {
  return problem('cashflow.malformed_csv', 'The request has no body.');
}

function registerReading(app: HttpApp, reads: CashReads): void {
  const read = {
    tags: ['cash flow'],
    summary: 'Read an import, and how far it is',
    params: CashEntryParams,
    response: { 200: ImportDocument, 404: ProblemDocument },
  };
  app.get('/v1/cash-entries/imports/:id', { config: READ, schema: read }, async (request, reply) => {
    const { id } = request.params;
    const found = await findImport(reads, request, id);
    if (found === undefined) return sendProblem(reply, importNotFound(id));
    return sendJsonText(reply, { status: 200, body: JSON.stringify(renderImport(found)) });
  });
  const errors = {
    tags: ['cash flow'],
    summary: 'List the lines that an import could not record, ascending',
    params: CashEntryParams,
    querystring: ImportErrorListQuery,
    response: { 200: ImportErrorPage, '4xx': ProblemDocument },
  };
  app.get('/v1/cash-entries/imports/:id/errors', { config: READ, schema: errors }, async (request, reply) => {
    await sendErrors(reads, { request, reply, id: request.params.id, query: request.query });
    return reply;
  });
}

function findImport(reads: CashReads, request: FastifyRequest, id: string) {
  return isId('imp', id)
    ? reads.findImport(contextOf(request).tenant, uuidOf(id))
    : Promise.resolve(undefined);
}

const LINE_ERRORS = new NamedList('line errors');

async function sendErrors(
  reads: CashReads,
  {
    request,
    reply,
    id,
    query,
  }: Exchange & { readonly id: string; readonly query: { limit?: number; cursor?: string } },
): Promise<FastifyReply> {
  const cursor = LINE_ERRORS.keyIn(query.cursor);
  if (!cursor.ok) return sendProblem(reply, cursor.problem);
  const { value: after = '0' } = cursor;
  if (!/^\d{1,9}$/.test(after)) return sendProblem(reply, malformedCursor());
  const found = await findImport(reads, request, id);
  if (found === undefined) return sendProblem(reply, importNotFound(id));
  const limit = query.limit ?? DEFAULT_PAGE_LIMIT;
  const errors = await reads.listErrors(contextOf(request).tenant, found.uuid, {
    after: Number(after),
    limit: rowsFor(limit),
  });
  const { data, next_cursor } = LINE_ERRORS.page(errors, limit, ({ line }) => String(line));
  const page = { data: data.map(renderLineError), next_cursor };
  return sendJsonText(reply, { status: 200, body: JSON.stringify(page) });
}

function importNotFound(id: string): Problem<CashflowProblemCode> {
  return problem('cashflow.import_not_found', `There is no import ${id}.`);
}
