/** An app with a few routes of every kind, for the tests of the edge. */
import { Writable } from 'node:stream';
import { Type } from 'typebox';
import { Fault, InvariantViolation } from '#kernel/fault.ts';
import { problem } from '#kernel/problem.ts';
import { QueueFull } from '#platform/batch/group-commit.ts';
import { createLogger } from '#platform/telemetry/logger.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { parseCursor, renderPage } from './cursor.ts';
import { createHttpApp, type HttpApp } from './http-app.ts';
import { requireIdempotencyKey } from './idempotency-key.ts';
import type { ReadinessCheck } from './operational-routes.ts';
import type { VerifyKey } from './principal.ts';
import { contextOf } from './request-context.ts';
import { Amount, closed, ProblemDocument, pageQuery } from './schemas.ts';
import { sendParts, sendProblem } from './send.ts';

/** Members whose names are bound, too. */
const NamedTexts = Type.Unsafe<Record<string, string>>({
  type: 'object',
  maxProperties: 50,
  propertyNames: { minLength: 1, maxLength: 64, pattern: '^[^"\\\\\\u0000-\\u001f\\u007f]*$' },
  additionalProperties: { type: 'string', maxLength: 500 },
});

export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** May everything. */
export const KEY = 'lk_all_secret';
/** May read things only. */
export const READER_KEY = 'lk_reader_secret';
/** Known only after the event loop has turned, as a key that has to be looked up. */
export const SLOW_KEY = 'lk_slow_secret';
/** Its look-up fails. */
export const FAILING_KEY = 'lk_failing_secret';

export const THING = { wallet_id: 'wal-1', amount: 1, currency: 'USD' };

export interface EdgeFixture {
  readonly app: HttpApp;
  /** The lines logged so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** Lets `GET /v1/waiting` and `…/parts` answer. */
  release(): void;
  /** Requests to `GET /v1/waiting` and `…/parts` so far. */
  waiting(): number;
}

export async function givenEdge(
  options: {
    rateLimitPerSecond?: number;
    sandboxTenant?: string | undefined;
    readiness?: readonly ReadinessCheck[];
    logLevel?: string;
  } = {},
): Promise<EdgeFixture> {
  const log: Record<string, unknown>[] = [];
  const to = new Writable({
    write: (chunk, _encoding, done) => {
      for (const line of String(chunk).trim().split('\n'))
        log.push(JSON.parse(line) as Record<string, unknown>);
      done();
    },
  });
  const app = await createHttpApp({
    settings: { bodyLimitBytes: 1024 * 1024, rateLimitPerSecond: options.rateLimitPerSecond ?? 0 },
    problems: {
      'things.gone': { status: 409, title: 'The thing is gone', retryable: false, remedy: 'Take another.' },
    },
    logger: createLogger({ level: options.logLevel ?? 'debug', to }),
    metrics: createMetrics({ defaults: false }),
    clock: { now: () => NOW },
    verifyKey,
    sandboxTenant: 'sandboxTenant' in options ? options.sandboxTenant : 'sandbox',
    readiness: options.readiness ?? [],
    version: '1.2.3',
  });
  const gate = Promise.withResolvers<void>();
  addThings(app);
  addOptionalBody(app);
  addFaults(app);
  let waiting = 0;
  app.get('/v1/waiting', { config: { scope: 'things:read' } }, async () => {
    waiting += 1;
    await gate.promise;
    return { waited: true };
  });
  app.get('/v1/waiting/parts', { config: { scope: 'things:read' } }, async (_request, reply) => {
    waiting += 1;
    await gate.promise;
    const parts = ['{"waited":', 'true}'].map((text) => Buffer.from(text));
    return sendParts(reply, { contentType: 'application/json; charset=utf-8', parts });
  });
  return { app, log, release: gate.resolve, waiting: () => waiting };
}

const verifyKey: VerifyKey = (key) => {
  const everything = { tenant: 'acme', keyId: 'key_1', scopes: new Set(['*']) };
  if (key === KEY) return everything;
  if (key === READER_KEY) return { tenant: 'acme', keyId: 'key_2', scopes: new Set(['things:read']) };
  if (key === SLOW_KEY) return Promise.resolve(everything);
  if (key === FAILING_KEY)
    return Promise.reject(new Fault('no connection to access.api_keys', { transient: true }));
  return undefined;
};

const Thing = closed({
  wallet_id: Type.String({ minLength: 1, maxLength: 64 }),
  amount: Amount,
  currency: Type.String({ minLength: 3, maxLength: 3 }),
  method: Type.Optional(Type.Union([Type.Literal('balance'), Type.Literal('gateway')])),
  reference: Type.Optional(Type.Union([Type.String({ maxLength: 10 }), Type.Null()])),
  postings: Type.Optional(Type.Array(closed({ amount: Amount }), { maxItems: 500 })),
  metadata: Type.Optional(NamedTexts),
});

function addThings(app: HttpApp): void {
  const making = {
    config: { scope: 'things:write', idempotencyKey: 'required', waits: true },
    schema: { body: Thing, response: { 202: Type.Unknown(), '4xx': ProblemDocument } },
  } as const;
  app.post('/v1/things', making, (request, reply) => {
    const key = requireIdempotencyKey(request.raw);
    if (!key.ok) return sendProblem(reply, key.problem);
    const { scopes, ...context } = contextOf(request);
    return reply.code(202).send({ ...context, scopes: [...scopes], key: key.value, body: request.body });
  });
  const listing = { config: { scope: 'things:read' }, schema: { querystring: closed(pageQuery) } };
  app.get('/v1/things', listing, (request, reply) => {
    const { limit = 2, cursor } = request.query;
    const after = parseCursor(cursor, 1);
    if (!after.ok) return sendProblem(reply, after.problem);
    const from = after.value === undefined ? 0 : Number(after.value[0]) + 1;
    const rows = [0, 1, 2, 3, 4].slice(from, from + limit + 1);
    return reply.send(renderPage(rows, limit, (row) => [String(row)]));
  });
  app.get<{ Params: { id: string } }>('/v1/things/:id', { config: { scope: 'things:read' } }, (request) => ({
    id: request.params.id,
    tenant: contextOf(request).tenant,
  }));
}

function addOptionalBody(app: HttpApp): void {
  const schema = { body: Type.Union([closed({ amount: Type.Optional(Amount) }), Type.Null()]) };
  app.post<{ Params: { id: string } }>(
    '/v1/things/:id/end',
    { config: { scope: 'things:write' }, schema },
    ({ body }) => ({ said: body ?? null }),
  );
}

function addFaults(app: HttpApp): void {
  app.get<{ Params: { kind: string } }>(
    '/v1/faults/:kind',
    { config: { scope: 'things:read' } },
    (request, reply) => {
      switch (request.params.kind) {
        case 'transient':
          throw new Fault('connect ECONNREFUSED 10.1.2.3:5432', { transient: true });
        case 'permanent':
          throw new Error('relation "secrets" does not exist');
        case 'invariant':
          throw new InvariantViolation('the sum is not zero');
        case 'queue_full':
          throw new QueueFull('too many requests are waiting');
        case 'overloaded':
          return sendProblem(
            reply,
            problem('service.overloaded', 'Events wait.', { members: { retry_after_seconds: 7 } }),
          );
        case 'unregistered':
          return sendProblem(reply, problem('no.such_code', 'Nobody registered it.'));
        default:
          return sendProblem(reply, problem('things.gone', 'It is gone.'));
      }
    },
  );
}
