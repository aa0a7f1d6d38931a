import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { newCorrelationId } from '#kernel/correlation-id.ts';
import type { ProblemRegistry } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { EdgeProblemCode } from './problems.ts';
import { renderProblem } from './render-problem.ts';

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/** Answers bytes that never became a request: no route, no hook, only the socket. */
export function createClientErrorHandler(options: { problems: ProblemRegistry; logger: Logger }) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const correlationId = newCorrelationId();
    options.logger.debug(
      { correlation_id: correlationId, err: error },
      'a connection sent no proper request',
    );
    socket.end(rawAnswer(options.problems, codeOf(error), correlationId));
  };
}

/** CONNECT asks a proxy for a tunnel; Node hands its connection over, and ends it without a word if nobody takes it (E1). */
export function createTunnelRefusal({ problems }: { readonly problems: ProblemRegistry }) {
  return (_request: IncomingMessage, socket: Duplex): void => {
    socket.on('error', () => socket.destroy());
    socket.end(rawAnswer(problems, 'request.malformed', newCorrelationId()));
  };
}

function codeOf(error: NodeJS.ErrnoException): EdgeProblemCode {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request.timeout';
  return error.code === 'HPE_HEADER_OVERFLOW' ? 'request.headers_too_large' : 'request.malformed';
}

function rawAnswer(problems: ProblemRegistry, code: EdgeProblemCode, correlationId: string): string {
  const rendered = renderProblem(problems, problem(code, 'The connection is closed.'));
  const headers = {
    ...rendered.headers,
    'content-length': Buffer.byteLength(rendered.body),
    'x-correlation-id': correlationId,
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${rendered.status} ${REASONS[rendered.status]}\r\n${lines.join('')}\r\n${rendered.body}`;
}
