import type { FastifyInstance, FastifyReply } from 'fastify';
import { type TSchema, Type } from 'typebox';
import type { ProblemRegistry } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { ProblemDocument } from './schemas.ts';
import { sendProblem } from './send.ts';

/** A part without which this process should get no requests. */
export interface ReadinessCheck {
  readonly name: string;
  /** Why it is not ready, or undefined if it is. What it throws counts as a reason. */
  readonly check: () => string | undefined | Promise<string | undefined>;
}

/** A check that takes longer than this has failed: whoever probes has a timeout of his own. */
const CHECK_TIMEOUT_MS = 2_000;

const OPEN = { config: { open: true }, logLevel: 'warn' } as const;

const tags = ['operation'];
const Reasons = Type.Array(Type.Object({ name: Type.String(), reason: Type.String() }));

const LIVEZ = {
  tags,
  summary: 'Whether the process lives',
  response: { 200: json(Type.Object({ status: Type.Literal('alive') })) },
};
const READYZ = {
  tags,
  summary: 'Whether the process should get requests',
  description:
    'Ready means that the database is reached, takes writes, and has what this process has seen committed. A full disk leaves it ready: what is there is still read, what finds room is still written, and what does not is answered 503 with `Retry-After`.',
  response: {
    200: json(Type.Object({ status: Type.Literal('ready') })),
    503: json(Type.Object({ status: Type.Literal('unready'), reasons: Reasons })),
  },
};
const METRICS = {
  tags,
  summary: 'The metrics of this process, in Prometheus’ text format',
  response: { 200: plainText('The metrics.') },
};
const PROBLEM = {
  tags,
  summary: 'What a problem is about, and what to do',
  description: 'What the `type` of a problem leads to.',
  params: Type.Object({ code: Type.String() }),
  response: { 200: plainText('The problem.'), 404: ProblemDocument },
};

function json(schema: TSchema) {
  return { description: 'The state.', content: { 'application/json': { schema } } };
}

function plainText(description: string) {
  return { description, content: { 'text/plain': { schema: Type.String() } } };
}

/** Health, metrics and the problems' pages: open to all, and telling nothing about any tenant. */
export function registerOperationalRoutes(
  app: FastifyInstance,
  options: { metrics: Metrics; readiness: readonly ReadinessCheck[] },
): void {
  app.get('/livez', { ...OPEN, schema: LIVEZ }, (_request, reply) => {
    reply.send({ status: 'alive' });
  });
  app.get('/readyz', { ...OPEN, schema: READYZ }, (_request, reply) =>
    sendReadiness(reply, options.readiness),
  );
  app.get('/metrics', { ...OPEN, schema: METRICS }, async (_request, reply) => {
    const text = await options.metrics.render();
    return reply.header('content-type', options.metrics.contentType).send(text);
  });
  app.get<{ Params: { code: string } }>('/problems/:code', { ...OPEN, schema: PROBLEM }, (request, reply) => {
    sendProblemPage(reply, app.problems, request.params.code);
  });
}

async function sendReadiness(reply: FastifyReply, checks: readonly ReadinessCheck[]): Promise<FastifyReply> {
  const results = await Promise.all(
    checks.map(async ({ name, check }) => ({ name, reason: await reasonOf(check) })),
  );
  const reasons = results.filter((result) => result.reason !== undefined);
  return reasons.length === 0
    ? reply.send({ status: 'ready' })
    : reply.code(503).header('retry-after', '1').send({ status: 'unready', reasons });
}

async function reasonOf(check: ReadinessCheck['check']): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`did not answer within ${CHECK_TIMEOUT_MS} ms`), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check(), tooLate]);
  } catch (error) {
    return error instanceof Error ? error.name : 'failed';
  } finally {
    clearTimeout(timer);
  }
}

/** What a problem's `type` leads to. */
function sendProblemPage(reply: FastifyReply, problems: ProblemRegistry, code: string): void {
  const definition = Object.hasOwn(problems, code) ? problems[code] : undefined;
  if (definition === undefined) {
    sendProblem(reply, problem('request.not_found', 'There is no such problem.'));
    return;
  }
  const { status, title, retryable, remedy } = definition;
  const repeat = retryable
    ? 'The same request may succeed later.'
    : 'The same request will be refused again.';
  const page = `${code} (HTTP ${status})\n\n${title}.\n\n${remedy}\n\n${repeat}\n`;
  reply.header('content-type', 'text/plain; charset=utf-8').send(page);
}
