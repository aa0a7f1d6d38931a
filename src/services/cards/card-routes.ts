/** The API of cards, of what was decided, and of merchant rules (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import { type CommandQueue, runCommand, sendOutcome, submitCommand } from '#platform/http/command-route.ts';
import { parseIdCursor, renderNext } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { parseInstant } from '#platform/http/instants.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { etagOf, REPLACES_VERSION, SENDS_VERSION, versionOf } from '#platform/http/version-etag.ts';
import { renderCard } from './card-document.ts';
import type { BlockOrder, CardOrder, ChangeCardOrder, GiveBackOrder } from './card-orders.ts';
import { renderCardTransaction } from './card-transaction.ts';
import type { CardReads, CardTransactionFilter } from './reads.ts';
import { cardNotFound, cardTransactionNotFound, noSuchVersion, rulesVersionRequired } from './refusals.ts';
import {
  BlockBody,
  CardDocument,
  CardParams,
  CardTransactionDocument,
  CardTransactionListQuery,
  CardTransactionPage,
  CardTransactionParams,
  CardWithTransactionsDocument,
  ChangeCardBody,
  CreateCardBody,
  GiveBackBody,
  RulesBody,
  RulesDocument,
  TopUpBody,
} from './schemas.ts';

export interface CardRoutes {
  readonly commands: CommandQueue<CardOrder>;
  readonly reads: CardReads;
}

const READ = { scope: 'cards:read' } as const;
const WRITE = { scope: 'cards:write', idempotencyKey: 'optional' } as const;
const MOVES_MONEY = { scope: 'cards:write', idempotencyKey: 'required' } as const;
const GIVES_BACK = { scope: 'card_transactions:write', idempotencyKey: 'required' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };
/** Of a card, beside its balances. */
const LAST = 10;

export function registerCardRoutes(app: HttpApp, routes: CardRoutes): void {
  registerCreating(app, routes);
  registerToppingUp(app, routes);
  registerReadingCards(app, routes);
  registerChanging(app, routes);
  registerBlocking(app, routes);
  registerGivingBack(app, routes);
  registerReadingDecisions(app, routes);
  registerReadingRules(app, routes);
  registerReplacingRules(app, routes);
}

function registerCreating(app: HttpApp, { commands }: CardRoutes): void {
  const schema = {
    tags: ['cards'],
    summary: 'Create a card',
    description:
      'With three benefit balances, which are accounts of the ledger. What it begins with comes from `card-funding-<currency>`; what it spends goes to `card-settlement-<currency>`. Both are opened with the first card of a currency.',
    body: CreateCardBody,
    response: { 201: CardDocument, ...REFUSALS },
  };
  app.post('/v1/cards', { config: WRITE, schema }, async (request, reply) => {
    await runCommand(request, reply, commands, {
      operation: 'cards.create',
      body: { operation: 'cards.create', ...request.body },
      id: newId('ctu'),
    });
    return reply;
  });
}

function registerToppingUp(app: HttpApp, { commands }: CardRoutes): void {
  const schema = {
    tags: ['cards'],
    summary: 'Top a card up',
    params: CardParams,
    body: TopUpBody,
    response: { 201: CardDocument, ...REFUSALS },
  };
  app.post('/v1/cards/:account/top-ups', { config: MOVES_MONEY, schema }, async (request, reply) => {
    const { account } = request.params;
    await runCommand(request, reply, commands, {
      operation: 'cards.top_up',
      body: { operation: 'cards.top_up', account, ...request.body },
      id: newId('ctu'),
    });
    return reply;
  });
}

function registerReadingCards(app: HttpApp, { reads }: CardRoutes): void {
  const schema = {
    tags: ['cards'],
    summary: 'Read a card',
    params: CardParams,
    response: { 200: CardWithTransactionsDocument, 404: ProblemDocument },
  };
  app.get('/v1/cards/:account', { config: READ, schema }, async (request, reply) => {
    await sendCard(reads, { request, reply, account: request.params.account });
    return reply;
  });
}

function registerChanging(app: HttpApp, { commands }: CardRoutes): void {
  const change = {
    tags: ['cards'],
    summary: 'Change where the answers to the card transactions of a card are sent',
    description: 'Holds at once, in every process, for what is decided from then on.',
    params: CardParams,
    body: ChangeCardBody,
    response: { 200: CardDocument, ...REFUSALS },
  };
  app.patch('/v1/cards/:account', { config: WRITE, schema: change }, async (request, reply) => {
    const { account } = request.params;
    const body: ChangeCardOrder = { operation: 'cards.change', account, ...request.body };
    await runCommand<CardOrder>(request, reply, commands, {
      operation: 'cards.change',
      body,
      id: newId('req'),
    });
    return reply;
  });
}

function registerBlocking(app: HttpApp, { commands }: CardRoutes): void {
  for (const [verb, operation] of [
    ['block', 'cards.block'],
    ['unblock', 'cards.unblock'],
  ] as const) {
    const schema = {
      tags: ['cards'],
      summary: verb === 'block' ? 'Block a card' : 'Unblock a card',
      description: 'Holds at once, in every process. Doing it again changes nothing.',
      params: CardParams,
      body: BlockBody,
      response: { 200: CardDocument, ...REFUSALS },
    };
    app.post(`/v1/cards/:account/${verb}`, { config: WRITE, schema }, async (request, reply) => {
      const body: BlockOrder = { operation, account: request.params.account };
      await runCommand<CardOrder>(request, reply, commands, { operation, body, id: newId('req') });
      return reply;
    });
  }
}

function registerGivingBack(app: HttpApp, { commands }: CardRoutes): void {
  for (const [path, operation, summary, description] of [
    [
      'reversal',
      'card_transactions.reverse',
      'Reverse a card transaction',
      'In whole or in part: what was spent is given back by a counter-entry, what is held is released as a whole.',
    ],
    [
      'capture',
      'card_transactions.capture',
      'Capture a card transaction',
      'Of one that was approved with `capture: false`: spends what is held, or a part of it, and gives the rest back.',
    ],
  ] as const) {
    const schema = {
      tags: ['cards'],
      summary,
      description,
      params: CardTransactionParams,
      body: GiveBackBody,
      response: { 200: CardTransactionDocument, ...REFUSALS },
    };
    app.post(`/v1/card-transactions/:id/${path}`, { config: GIVES_BACK, schema }, async (request, reply) => {
      const body: GiveBackOrder = { operation, card_transaction_id: request.params.id, ...request.body };
      await runCommand<CardOrder>(request, reply, commands, { operation, body, id: newId('crv') });
      return reply;
    });
  }
}

function registerReadingDecisions(app: HttpApp, { reads }: CardRoutes): void {
  const read = {
    tags: ['cards'],
    summary: 'Read a card transaction',
    params: CardTransactionParams,
    response: { 200: CardTransactionDocument, 404: ProblemDocument },
  };
  app.get('/v1/card-transactions/:id', { config: READ, schema: read }, async (request, reply) => {
    await sendCardTransaction(reads, { request, reply, id: request.params.id });
    return reply;
  });
  const list = {
    tags: ['cards'],
    summary: 'List card transactions, newest first',
    description:
      'A page looks through a hundred thousand card transactions at most: if few of them match, it is short, and `next_cursor` goes on.',
    querystring: CardTransactionListQuery,
    response: { 200: CardTransactionPage, 400: ProblemDocument },
  };
  app.get('/v1/card-transactions', { config: READ, schema: list }, async (request, reply) => {
    await sendCardTransactions(reads, { request, reply, query: request.query });
    return reply;
  });
}

function registerReadingRules(app: HttpApp, { reads }: CardRoutes): void {
  const schema = { tags: ['cards'], summary: 'Read the merchant rules', response: { 200: RulesDocument } };
  app.get(
    '/v1/merchant-rules',
    { config: { ...READ, headers: SENDS_VERSION }, schema },
    async (request, reply) => {
      const rules = await reads.findRules(contextOf(request).tenant);
      reply.header('etag', etagOf(rules.version));
      sendJsonText(reply, { status: 200, body: JSON.stringify(rules) });
      return reply;
    },
  );
}

function registerReplacingRules(app: HttpApp, { commands }: CardRoutes): void {
  const schema = {
    tags: ['cards'],
    summary: 'Replace the merchant rules',
    description:
      'All of them, as a new version that holds at once in every process. Needs If-Match with the ETag of the version that is replaced (`"0"` before there are any). An exact rule comes before a prefix, a longer prefix before a shorter one.',
    body: RulesBody,
    response: { 200: RulesDocument, ...REFUSALS },
  };
  app.put(
    '/v1/merchant-rules',
    { config: { ...WRITE, headers: REPLACES_VERSION }, schema },
    async (request, reply) => {
      const given = request.headers['if-match'];
      if (given === undefined) return sendProblem(reply, rulesVersionRequired());
      const version = versionOf(given);
      if (version === undefined) return sendProblem(reply, noSuchVersion());
      const body = { operation: 'merchant_rules.replace', version, rules: request.body.rules } as const;
      const order = { operation: body.operation, body, id: newId('req') };
      const outcome = await submitCommand<CardOrder>(request, commands, order);
      if (!outcome.ok) return sendProblem(reply, outcome.problem);
      if (outcome.value.answer.status === 200) reply.header('etag', etagOf(version + 1));
      return sendOutcome(reply, outcome.value);
    },
  );
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function sendCard(
  reads: CardReads,
  { request, reply, account }: Exchange & { readonly account: string },
): Promise<FastifyReply> {
  const { tenant } = contextOf(request);
  const [found, last] = await Promise.all([
    reads.findCard(tenant, account),
    reads.listCardTransactions(tenant, { account }, { before: undefined, limit: LAST }),
  ]);
  if (found === undefined) return sendProblem(reply, cardNotFound(account));
  const document = {
    ...renderCard(found.card, found.balanceOf),
    card_transactions: last.cardTransactions.map(renderCardTransaction),
  };
  return sendJsonText(reply, { status: 200, body: JSON.stringify(document) });
}

async function sendCardTransaction(
  reads: CardReads,
  { request, reply, id }: Exchange & { readonly id: string },
): Promise<FastifyReply> {
  const { tenant } = contextOf(request);
  const found = isId('ctx', id) ? await reads.findCardTransaction(tenant, uuidOf(id)) : undefined;
  if (found === undefined) return sendProblem(reply, cardTransactionNotFound(id));
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderCardTransaction(found)) });
}

async function sendCardTransactions(
  reads: CardReads,
  { request, reply, query }: Exchange & { readonly query: CardTransactionListQuery },
): Promise<FastifyReply> {
  const before = parseIdCursor('ctx', query.cursor);
  if (!before.ok) return sendProblem(reply, before.problem);
  const { tenant } = contextOf(request);
  const page = { before: before.value, limit: query.limit ?? DEFAULT_PAGE_LIMIT };
  const { cardTransactions, next } = await reads.listCardTransactions(tenant, filterOf(query), page);
  const next_cursor = renderNext(next, (uuid) => [idOf('ctx', uuid)]);
  const document = { data: cardTransactions.map(renderCardTransaction), next_cursor };
  return sendJsonText(reply, { status: 200, body: JSON.stringify(document) });
}

function filterOf({
  account,
  code,
  confirmation,
  from,
  to,
}: CardTransactionListQuery): CardTransactionFilter {
  return {
    ...(account === undefined ? {} : { account }),
    ...(code === undefined ? {} : { code }),
    ...(confirmation === undefined ? {} : { confirmation }),
    ...(from === undefined ? {} : { from: parseInstant(from) }),
    ...(to === undefined ? {} : { to: parseInstant(to) }),
  };
}
