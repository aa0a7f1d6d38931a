/** Between HTTP and the routes: keys, bodies, problems, and the bytes of an answer. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { MalformedRequest } from './fields.ts';
import { type Incoming, MAX_BODY_BYTES, readBody, toIncoming } from './incoming.ts';
import { problemReply, type Reply } from './reply.ts';
import { isHealth, type RoutesOptions, route } from './routes.ts';

/** Longer than callers keep connections at rest: one that they use is not closed under them. */
const KEEP_ALIVE_MS = 72_000;

export interface EdgeOptions extends RoutesOptions {
  readonly apiKey: string;
  readonly onError: (error: unknown) => void;
}

export function createEdge(options: EdgeOptions): Server {
  const expected = digest(`Bearer ${options.apiKey}`);
  const isAllowed = (request: Incoming): boolean =>
    isHealth(request) || timingSafeEqual(digest(request.header('authorization') ?? ''), expected);
  return createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void respond(request, response, { ...options, isAllowed });
  });
}

interface Edge extends EdgeOptions {
  readonly isAllowed: (request: Incoming) => boolean;
}

/** A caller that leaves in the middle needs no answer: what it asked for is in the book or is not. */
async function respond(request: IncomingMessage, response: ServerResponse, edge: Edge): Promise<void> {
  try {
    const body = await readBody(request);
    const reply = await replyTo(body, request, edge);
    if (reply !== undefined) send(response, reply);
  } catch (error) {
    if (request.complete) edge.onError(error);
    response.destroy();
  }
}

async function replyTo(
  body: string | undefined,
  request: IncomingMessage,
  edge: Edge,
): Promise<Reply | undefined> {
  if (body === undefined)
    return problemReply({ code: 'body_too_large', detail: `A body has ${MAX_BODY_BYTES} bytes at most.` });
  try {
    const incoming = toIncoming(request, body);
    return edge.isAllowed(incoming) ? await route(edge, incoming) : unauthorized();
  } catch (error) {
    if (!(error instanceof MalformedRequest)) throw error;
    return problemReply({ code: 'malformed_request', detail: `${error.message}.` });
  }
}

function unauthorized(): Reply {
  return problemReply(
    {
      code: 'unauthorized',
      detail: 'Send Authorization: Bearer and the key in the identity.json of this provider.',
    },
    { 'WWW-Authenticate': 'Bearer' },
  );
}

function send(response: ServerResponse, { status, type, body, headers, afterwards }: Reply): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body, afterwards);
}

/** Of equal length, so that comparing takes the same time whatever was sent. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
