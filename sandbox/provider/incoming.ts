/** A request as the routes see it. */
import type { IncomingMessage } from 'node:http';
import { MalformedRequest } from './fields.ts';

/** Larger than any request of the protocol by far. */
export const MAX_BODY_BYTES = 64 * 1024;

export interface Incoming {
  readonly method: string;
  /** `/charges/att_1/void` as `['charges', 'att_1', 'void']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly header: (name: string) => string | undefined;
  readonly body: string;
}

export function toIncoming(request: IncomingMessage, body: string): Incoming {
  const [path = '', query = ''] = splitOnce(request.url ?? '/', '?');
  return {
    method: request.method ?? 'GET',
    path: path.slice(1).split('/').map(decodeSegment),
    query: new URLSearchParams(query),
    header: (name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : value?.[0];
    },
    body,
  };
}

/** Undefined when it is too large; rejects when the caller leaves in the middle. */
export function readBody(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    });
    request.once('end', () =>
      resolve(bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8')),
    );
    request.once('error', reject);
  });
}

export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new MalformedRequest('the body has to be JSON');
  }
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new MalformedRequest(`${segment} in the path is not percent-encoded soundly`);
  }
}
