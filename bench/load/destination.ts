/**
 * A destination of connectors as a process: answers after a moment under /live, never under /dead; asked, it says how many came.
 * A message is known by its idempotency key: one that comes again is no second one.
 */
import { createServer } from 'node:http';

const ANSWER_AFTER_MS = 20;

/** `live`: messages that were answered; `repeated`: requests with one of them again; `dead`: requests. */
export interface DestinationTally {
  readonly live: number;
  readonly repeated: number;
  readonly dead: number;
}

export type DestinationReport = { readonly port: number } | DestinationTally;

const live = new Set<string>();
let repeated = 0;
let dead = 0;

const server = createServer((request, response) => {
  request.resume();
  if (request.url === '/dead') {
    dead += 1;
    return;
  }
  request.on('end', () => {
    setTimeout(() => {
      const key = String(request.headers['idempotency-key']);
      if (live.has(key)) repeated += 1;
      live.add(key);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"taken"}');
    }, ANSWER_AFTER_MS);
  });
});
server.keepAliveTimeout = 60_000;

function report(message: DestinationReport): void {
  process.send?.(message);
}

process.on('message', () => report({ live: live.size, repeated, dead }));
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  report({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
