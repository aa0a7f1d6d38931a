/** Checkpoints, the keys that they are signed with, and receipts. */
import { Type } from 'typebox';
import { isId } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import { malformedCursor, NamedList, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { closed, DEFAULT_PAGE_LIMIT, ProblemDocument, pageOf, pageQuery } from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import { notFound, RESOURCES, type Resource, ResourceParams } from '../resource.ts';
import type { CheckpointReads, StoredCheckpoint } from './checkpoint-reads.ts';
import { CheckpointDocument, checkpointMembers, KeySet, receiptDocument } from './proof-schemas.ts';
import type { PublishedKeys } from './published-keys.ts';
import type { Receipts } from './receipts.ts';
import { renderStanding } from './render-receipt.ts';

const CHECKPOINTS = new NamedList('checkpoints');

const tags = ['integrity'];

export interface CheckpointRoutes {
  readonly checkpoints: CheckpointReads;
  readonly receipts: Receipts;
  /** Of a process that signs: another one has no key by which it could tell whose the stored ones are, and answers 503. */
  readonly keys: PublishedKeys | undefined;
  readonly intervalMs: number;
}

export function registerCheckpointRoutes(app: HttpApp, routes: CheckpointRoutes): void {
  registerKeys(app, routes.keys);
  registerList(app, routes.checkpoints);
  registerCheckpoint(app, routes.checkpoints);
  for (const resource of RESOURCES) registerReceipt(app, routes, resource);
}

/** Seconds. No key is ever taken back. */
const KEYS_MAX_AGE_S = 300;

function registerKeys(app: HttpApp, keys: PublishedKeys | undefined): void {
  app.get(
    '/.well-known/lastro-keys',
    {
      config: { open: true },
      schema: {
        tags,
        summary: 'The public keys of the checkpoints, as a JWK Set (RFC 7517)',
        response: {
          200: KeySet,
          503: ProblemDocument,
        },
      },
    },
    async (_request, reply) => {
      if (keys === undefined)
        return sendProblem(reply, problem('service.unavailable', 'This process signs no checkpoints.'));
      const body = JSON.stringify({ keys: await keys.list() });
      reply.header('cache-control', `public, max-age=${KEYS_MAX_AGE_S}`);
      return sendJsonText(reply, { status: 200, body });
    },
  );
}

function registerList(app: HttpApp, checkpoints: CheckpointReads): void {
  app.get(
    '/v1/integrity/checkpoints',
    {
      config: { scope: 'integrity:read' },
      schema: {
        tags,
        summary: 'The signed checkpoints of the installation, newest first',
        querystring: closed(pageQuery),
        response: { 200: pageOf(Type.Object(checkpointMembers)), 400: ProblemDocument },
      },
    },
    async (request, reply) => {
      const { cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
      const key = CHECKPOINTS.keyIn(cursor);
      if (!key.ok) return sendProblem(reply, key.problem);
      const before = key.value;
      if (before !== undefined && !/^[1-9]\d{0,15}$/.test(before))
        return sendProblem(reply, malformedCursor());
      const rows = await checkpoints.list(before === undefined ? undefined : BigInt(before), rowsFor(limit));
      const { data, next_cursor } = CHECKPOINTS.page(rows, limit, ({ number }) => String(number));
      return sendJsonText(reply, {
        status: 200,
        body: JSON.stringify({ data: data.map(renderStored), next_cursor }),
      });
    },
  );
}

function renderStored({ number, body, signature }: StoredCheckpoint) {
  return { number, body, signature: signature.toString('hex') };
}

function registerCheckpoint(app: HttpApp, checkpoints: CheckpointReads): void {
  app.get(
    '/v1/integrity/checkpoints/:number',
    {
      config: { scope: 'integrity:read' },
      schema: {
        tags,
        summary: 'A checkpoint, with where each log stood',
        params: Type.Object({ number: Type.String({ pattern: '^[1-9][0-9]{0,14}$' }) }),
        response: { 200: CheckpointDocument, 404: ProblemDocument },
      },
    },
    async (request, reply) => {
      const number = Number(request.params.number);
      const found = await checkpoints.find(number);
      if (found === undefined) {
        const detail = `There is no checkpoint ${number}.`;
        return sendProblem(reply, problem('integrity.checkpoint_not_found', detail));
      }
      const logs = (await checkpoints.standingsAt(number)).map(renderStanding);
      return sendJsonText(reply, { status: 200, body: JSON.stringify({ ...renderStored(found), logs }) });
    },
  );
}

function registerReceipt(app: HttpApp, { receipts, intervalMs }: CheckpointRoutes, resource: Resource): void {
  const { path, tag, name, prefix, idMember } = resource;
  app.get(
    `${path}/receipt`,
    {
      config: { scope: 'payments:read' },
      schema: {
        tags: [tag],
        summary: `The events of a ${name}, each with its proof against a signed checkpoint`,
        description: '`./lastro verify-receipt FILE` checks it with nothing but the public key.',
        params: ResourceParams,
        response: {
          200: receiptDocument(idMember),
          404: ProblemDocument,
          409: ProblemDocument,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { tenant } = contextOf(request);
      const outcome = isId(prefix, id)
        ? await receipts.find({ [idMember]: id }, { tenant, subject: id })
        : ({ kind: 'unknown' } as const);
      if (outcome.kind === 'receipt')
        return sendJsonText(reply, { status: 200, body: JSON.stringify(outcome.receipt) });
      const refusals = {
        unknown: () => notFound(resource, id),
        too_large: () => problem('integrity.receipt_too_large', `${id} has too many events.`),
        pending: () => pending(id, intervalMs),
      };
      return sendProblem(reply, refusals[outcome.kind]());
    },
  );
}

function pending(id: string, intervalMs: number) {
  return problem('integrity.receipt_pending', `The next checkpoint covers all of ${id}.`, {
    members: { retry_after_seconds: Math.max(1, Math.ceil(intervalMs / 1000)) },
  });
}
