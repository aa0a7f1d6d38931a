import type { FastifyReply, FastifyRequest } from 'fastify';
import { isId, newId, uuidOf } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import { type CommandQueue, runCommand } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { renderEntry } from './journal-entry.ts';
import type { LedgerOrder } from './orders.ts';
import type { LedgerReads } from './reads.ts';
import { EntryDocument, EntryParams, PostEntryBody } from './schemas.ts';

export function registerEntryCommand(app: HttpApp, commands: CommandQueue<LedgerOrder>): void {
  const post = {
    tags: ['ledger'],
    summary: 'Post a journal entry',
    description:
      'All of its postings or none. Needs an Idempotency-Key; a repeated one gets the first answer.',
    body: PostEntryBody,
    response: { 201: EntryDocument, '4xx': ProblemDocument, 503: ProblemDocument },
  };
  app.post(
    '/v1/journal-entries',
    { config: { scope: 'ledger:write', idempotencyKey: 'required' }, schema: post },
    async (request, reply) => {
      await runCommand(request, reply, commands, {
        operation: 'journal_entries.create',
        body: { operation: 'journal_entries.create', ...request.body },
        id: newId('jen'),
      });
      return reply;
    },
  );
}

export function registerEntryRead(app: HttpApp, reads: LedgerReads): void {
  const read = {
    tags: ['ledger'],
    summary: 'Read a journal entry',
    params: EntryParams,
    response: { 200: EntryDocument, 404: ProblemDocument },
  };
  app.get(
    '/v1/journal-entries/:id',
    { config: { scope: 'ledger:read' }, schema: read },
    async (request, reply) => {
      await sendEntry(reads, { request, reply, id: request.params.id });
      return reply;
    },
  );
}

async function sendEntry(
  reads: LedgerReads,
  { request, reply, id }: { request: FastifyRequest; reply: FastifyReply; id: string },
): Promise<FastifyReply> {
  const entry = isId('jen', id) ? await reads.findEntry(contextOf(request).tenant, uuidOf(id)) : undefined;
  if (entry === undefined) {
    return sendProblem(reply, problem('ledger.entry_not_found', `There is no journal entry ${id}.`));
  }
  return sendJsonText(reply, { status: 200, body: JSON.stringify(renderEntry(entry)) });
}
