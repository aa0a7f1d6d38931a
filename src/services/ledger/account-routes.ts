import type { FastifyReply, FastifyRequest } from 'fastify';
import { newId } from '#kernel/ids.ts';
import { type CommandQueue, runCommand } from '#platform/http/command-route.ts';
import { NamedList, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { parseInstant } from '#platform/http/instants.ts';
import { metadataTooLarge } from '#platform/http/metadata.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { renderAccount } from './account.ts';
import { accountNotFound } from './books.ts';
import type { LedgerOrder } from './orders.ts';
import { parsePostingRange, renderPostingsPage } from './postings-page.ts';
import type { LedgerReads } from './reads.ts';
import {
  AccountDocument,
  AccountListQuery,
  AccountPage,
  AccountParams,
  AccountQuery,
  CloseAccountBody,
  OpenAccountBody,
  PostingListQuery,
  PostingPage,
} from './schemas.ts';

const READ = { scope: 'accounts:read' } as const;
const WRITE = { scope: 'accounts:write', idempotencyKey: 'optional' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument } as const;

export function registerAccountCommands(app: HttpApp, commands: CommandQueue<LedgerOrder>): void {
  const open = {
    tags: ['accounts'],
    summary: 'Open an account',
    description: 'An Idempotency-Key is optional; without an `id` of yours it is what makes a repeat safe.',
    body: OpenAccountBody,
    response: { 201: AccountDocument, ...REFUSALS },
  };
  app.post('/v1/accounts', { config: WRITE, schema: open }, async (request, reply) => {
    const obstacle = metadataTooLarge(request.body.metadata);
    if (obstacle !== undefined) return sendProblem(reply, obstacle);
    await runCommand(request, reply, commands, {
      operation: 'accounts.create',
      body: { operation: 'accounts.create', ...request.body },
      id: request.body.id ?? newId('acc'),
    });
    return reply;
  });

  const close = {
    tags: ['accounts'],
    summary: 'Close an account',
    description: 'For ever. Its balance must be zero, nothing held, and no refund on its way to it.',
    params: AccountParams,
    body: CloseAccountBody,
    response: { 200: AccountDocument, ...REFUSALS },
  };
  app.post('/v1/accounts/:id/close', { config: WRITE, schema: close }, async (request, reply) => {
    await runCommand(request, reply, commands, {
      operation: 'accounts.close',
      body: { operation: 'accounts.close', account_id: request.params.id },
      id: request.params.id,
    });
    return reply;
  });
}

export function registerAccountReads(app: HttpApp, reads: LedgerReads): void {
  registerSingle(app, reads);
  registerLists(app, reads);
}

function registerSingle(app: HttpApp, reads: LedgerReads): void {
  const schema = {
    tags: ['accounts'],
    summary: 'Read an account and its balance, now or at an instant',
    params: AccountParams,
    querystring: AccountQuery,
    response: { 200: AccountDocument, ...REFUSALS },
  };
  app.get('/v1/accounts/:id', { config: READ, schema }, async (request, reply) => {
    await sendAccount(reads, { request, reply, id: request.params.id, query: request.query });
    return reply;
  });
}

function registerLists(app: HttpApp, reads: LedgerReads): void {
  const accounts = {
    tags: ['accounts'],
    summary: 'List accounts, ascending by id',
    querystring: AccountListQuery,
    response: { 200: AccountPage, ...REFUSALS },
  };
  app.get('/v1/accounts', { config: READ, schema: accounts }, async (request, reply) => {
    await sendAccounts(reads, { request, reply, query: request.query });
    return reply;
  });

  const postings = {
    tags: ['accounts'],
    summary: 'List the postings of an account, newest first',
    params: AccountParams,
    querystring: PostingListQuery,
    response: { 200: PostingPage, ...REFUSALS },
  };
  app.get('/v1/accounts/:id/postings', { config: READ, schema: postings }, async (request, reply) => {
    await sendPostings(reads, { request, reply, id: request.params.id, query: request.query });
    return reply;
  });
}

interface Asked<Query> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly query: Query;
}

async function sendAccount(
  reads: LedgerReads,
  { request, reply, id, query: { at } }: Asked<{ at?: string }> & { readonly id: string },
): Promise<FastifyReply> {
  const { tenant } = contextOf(request);
  const found = await (at === undefined
    ? reads.findAccount(tenant, id)
    : reads.findAccountAt(tenant, id, parseInstant(at)));
  return found === undefined
    ? sendProblem(reply, accountNotFound(id))
    : sendJson(reply, renderAccount(found));
}

const ACCOUNTS = new NamedList('accounts');

async function sendAccounts(
  reads: LedgerReads,
  { request, reply, query }: Asked<{ limit?: number; cursor?: string }>,
): Promise<FastifyReply> {
  const cursor = ACCOUNTS.keyIn(query.cursor);
  if (!cursor.ok) return sendProblem(reply, cursor.problem);
  const { value: after = '' } = cursor;
  const { limit = DEFAULT_PAGE_LIMIT } = query;
  const accounts = await reads.listAccounts(contextOf(request).tenant, { after, limit: rowsFor(limit) });
  const { data, next_cursor } = ACCOUNTS.page(accounts, limit, ({ account }) => account.id);
  return sendJson(reply, { data: data.map(renderAccount), next_cursor });
}

async function sendPostings(
  reads: LedgerReads,
  { request, reply, id, query }: Asked<PostingListQuery> & { readonly id: string },
): Promise<FastifyReply> {
  const range = parsePostingRange(query);
  if (!range.ok) return sendProblem(reply, range.problem);
  const postings = await reads.listPostings(contextOf(request).tenant, id, range.value);
  if (postings === undefined) return sendProblem(reply, accountNotFound(id));
  const { data, next_cursor } = renderPostingsPage(id, postings, query.limit);
  return sendJson(reply, { data, next_cursor });
}

function sendJson(reply: FastifyReply, body: JsonObject): FastifyReply {
  return sendJsonText(reply, { status: 200, body: JSON.stringify(body) });
}
