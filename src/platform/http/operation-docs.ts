/**
 * How an operation stands in the OpenAPI document: its own schemas, and what its route's configuration says of every
 * operation alike — who may call it, which headers it reads and sends, how it refuses. None of it is validated by: the
 * schemas that check requests are those that the route gave.
 */
import type { FastifyContextConfig, FastifySchema } from 'fastify';
import { MAX_WAIT_S } from './prefer-wait.ts';
import { PROBLEM_MEDIA_TYPE } from './render-problem.ts';
import { ProblemDocument } from './schemas.ts';

interface Header {
  readonly type: 'string' | 'integer';
  readonly description: string;
  readonly enum?: readonly string[];
}
type Headers = Readonly<Record<string, Header>>;

/** Of one operation, beside those that its configuration stands for. */
export interface OwnHeaders {
  readonly required?: Headers;
  readonly read?: Headers;
  /** With what is no refusal. */
  readonly sent?: Headers;
}

interface OperationSchema extends FastifySchema {
  security?: readonly Record<string, readonly string[]>[];
}

/** What every operation that asks who calls may answer, whatever it does; `default` stands for the rest. */
const REFUSALS_OF_ALL = { 429: undefined, 503: undefined, default: undefined };
/** And every one that is open: what no route takes is refused there too, as a NUL in the query. */
const REFUSALS_OF_OPEN = { default: undefined };
const COME_AGAIN_STATUSES = new Set(['429', '503']);

const CORRELATION_ID: Header = {
  type: 'string',
  description:
    'Finds everything about a request. Yours, if it has 1 to 128 visible ASCII characters without quotes and backslash; else a new one is made.',
};
export const IDEMPOTENCY_KEY: Header = {
  type: 'string',
  description:
    'A value of your own, a new one for each thing you want done, the same one when you repeat a request: 1 to 255 characters, bare or in double quotes. `x-idempotent-key` is read alike.',
};
const PREFER: Header = {
  type: 'string',
  description: `\`wait=N\`, 1 to ${MAX_WAIT_S}: answer with the final state, if it comes within N seconds. Anything else is ignored (RFC 7240).`,
};
export const REPLAYED: Header = {
  type: 'string',
  enum: ['true'],
  description: 'Sent if the answer was decided by an earlier request under the same key.',
};
const PREFERENCE_APPLIED: Header = {
  type: 'string',
  description: '`wait=N`, if it was waited.',
};
const RETRY_AFTER: Header = { type: 'integer', description: 'Seconds until it is worth trying again.' };

/** The schema of an operation, as the document has it. */
export function describeOperation(
  schema: FastifySchema | undefined,
  config: FastifyContextConfig = {},
): FastifySchema {
  const operation: OperationSchema = {
    ...schema,
    headers: requestHeaders(config),
    response: responses(schema?.response, config),
  };
  if (config.rawBody !== undefined) {
    operation.consumes = [config.rawBody];
    operation.body = {};
  }
  if (config.open === true) operation.security = [];
  else if (config.scope !== undefined) operation.security = [{ api_key: [config.scope] }];
  return operation;
}

function requestHeaders({ idempotencyKey, waits, headers }: FastifyContextConfig) {
  const key = { 'Idempotency-Key': IDEMPOTENCY_KEY };
  const required: Headers = { ...(idempotencyKey === 'required' ? key : {}), ...headers?.required };
  const properties: Headers = {
    ...required,
    ...(idempotencyKey === 'optional' ? key : {}),
    ...(waits === true ? { Prefer: PREFER } : {}),
    ...headers?.read,
    'X-Correlation-ID': CORRELATION_ID,
  };
  return { type: 'object', properties, required: Object.keys(required) };
}

function responses(own: unknown, config: FastifyContextConfig): Record<string, unknown> {
  const general = config.scope === undefined ? REFUSALS_OF_OPEN : REFUSALS_OF_ALL;
  const all = { ...general, ...(typeof own === 'object' ? own : {}) };
  return Object.fromEntries(
    Object.entries(all).map(([status, answer]: [string, unknown]) => [
      status,
      /^[23]/.test(status) || isOwnDocument(answer) ? success(answer, config) : refusal(status, config),
    ]),
  );
}

/** An answer that is no problem although it refuses: that of a probe. */
function isOwnDocument(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'content' in answer;
}

function success(schema: unknown, { idempotencyKey, waits, headers: own }: FastifyContextConfig) {
  const headers: Headers = {
    'X-Correlation-ID': CORRELATION_ID,
    ...own?.sent,
    ...(idempotencyKey === undefined ? {} : { 'Idempotency-Replayed': REPLAYED }),
    ...(waits === true ? { 'Preference-Applied': PREFERENCE_APPLIED } : {}),
  };
  return { ...(typeof schema === 'object' ? schema : {}), headers };
}

function refusal(status: string, { idempotencyKey }: FastifyContextConfig) {
  const comesAgain = COME_AGAIN_STATUSES.has(status);
  const headers: Headers = {
    'X-Correlation-ID': CORRELATION_ID,
    // What asks to come again was not decided, so it is not stored.
    ...(idempotencyKey === undefined || comesAgain ? {} : { 'Idempotency-Replayed': REPLAYED }),
    ...(comesAgain ? { 'Retry-After': RETRY_AFTER } : {}),
  };
  const content = { [mediaType(PROBLEM_MEDIA_TYPE)]: { schema: ProblemDocument } };
  return { description: 'A refusal.', content, headers };
}

function mediaType(contentType: string): string {
  return contentType.replace(/;.*$/, '');
}
