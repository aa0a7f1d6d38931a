/** A destination of connectors as a process: answers after a moment under /live, never under /dead; asked, it says how many came. */
import { createServer } from 'node:http';

const ANSWER_AFTER_MS = 20;

export type DestinationReport = { readonly port: number } | { readonly live: number; readonly dead: number };

let live = 0;
let dead = 0;

const server = createServer((request, response) => {
  request.resume();
  if (request.url === '/dead') {
    dead += 1;
    return;
  }
  request.on('end', () => {
    setTimeout(() => {
      live += 1;
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"taken"}');
    }, ANSWER_AFTER_MS);
  });
});
server.keepAliveTimeout = 60_000;

function report(message: DestinationReport): void {
  process.send?.(message);
}

process.on('message', () => report({ live, dead }));
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  report({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
