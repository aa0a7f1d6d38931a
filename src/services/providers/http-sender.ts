/**
 * HTTP to the providers: the one place where requests leave. It tells whether a request that failed can have arrived:
 * a second charge depends on it.
 */
import { Pool } from 'undici';
import { InvariantViolation } from '#kernel/fault.ts';
import type { ProviderTerms } from './configuration.ts';
import { connectWithin } from './connect-within.ts';
import type { GatewayAnswer, GatewayRequest } from './gateway-protocol.ts';

/** The request never left this machine: no connection was made. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}

/** A port, so that a test can hold a request back. */
export interface HttpSender {
  /** Throws NotSent if the request never left, anything else if it may have arrived. */
  send(request: GatewayRequest, signal: AbortSignal): Promise<GatewayAnswer>;
  close(): Promise<void>;
}

/** Our documents have some hundred bytes. */
const ANSWER_MAX_BYTES = 65_536;
/** Less than the 5 s after which Node's servers close an idle connection: a request on one that closes just then is in doubt. */
const KEEP_ALIVE_MS = 3000;
/** Questions about charges have connections of their own, beside those for charges. */
const CONNECTIONS_FOR_QUESTIONS = 64;

export function httpSender({ url, apiKey, concurrency, timeoutMs }: ProviderTerms): HttpSender {
  const { origin, pathname } = new URL(url);
  const prefix = pathname === '/' ? '' : pathname;
  const pool = new Pool(origin, {
    connections: concurrency + CONNECTIONS_FOR_QUESTIONS,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxResponseSize: ANSWER_MAX_BYTES,
    // Whoever calls waits as long as it wants, and aborts.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Half of it: then there is time to hear that nothing was sent.
    connect: connectWithin(Math.ceil(timeoutMs / 2)),
  });
  const authorization = `Bearer ${apiKey}`;
  return {
    async send({ method, path, headers, body }, signal) {
      try {
        const answer = await pool.request({
          method,
          path: prefix + path,
          headers: { accept: 'application/json', ...headers, authorization },
          body: body ?? null,
          signal,
        });
        const retryAfter = answer.headers['retry-after'];
        return {
          status: answer.statusCode,
          retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
          body: Buffer.from(await answer.body.arrayBuffer()),
        };
      } catch (error) {
        throw isConnectingFailed(error) ? new NotSent(messageOf(error), { cause: error }) : asError(error);
      }
    },
    close: () => pool.destroy(),
  };
}

/**
 * Calls of the operating system that come before there is a connection. A host that is unreachable, or a time that is
 * over, may also end one that carries the request: then the call is `read` or `write`, or nobody names it.
 */
const CONNECTING_CALLS = new Set(['connect', 'getaddrinfo']);

/** Failures of making a connection that the operating system knows nothing of. */
const CONNECTING_FAILED = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Whether the error says that no connection was made. */
export function isConnectingFailed(error: unknown): boolean {
  // A name with several addresses fails by the failures of them all.
  if (error instanceof AggregateError)
    return error.errors.length > 0 && error.errors.every(isConnectingFailed);
  if (!(error instanceof Error)) return false;
  if ('syscall' in error) return CONNECTING_CALLS.has(String(error.syscall));
  return 'code' in error && CONNECTING_FAILED.has(String(error.code));
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new InvariantViolation(`not an error was thrown: ${String(error)}`);
}
