/** How the edge ends: nobody who has sent a request before is left without its answer, and nobody who is silent holds it up. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether every answer closes its connection from now on. */
    readonly isClosing: boolean;
  }
}

/** After the closing began, for what was sent before it to be read. */
const LAST_REQUESTS_MS = 100;
/** A full queue of 511 connections takes some hundreds; callers who go on coming end no sooner. */
const LAST_PASSES = 1000;

/**
 * Lets in what was sent before, stops accepting, lets requests in flight finish, each answer saying `Connection: close`,
 * and cuts what is left after `timeoutMs`.
 */
export async function closeHttpApp(
  app: Pick<FastifyInstance, 'server' | 'close'>,
  timeoutMs: number,
): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), timeoutMs);
  try {
    await app.close();
  } finally {
    clearTimeout(cut);
  }
}

/**
 * Fastify does so for requests that arrive after the closing began; those in flight should not be followed either. What
 * was sent before it may still lie in the kernel, in a connection that was not even accepted: for a moment more it is
 * let in, since closing the sockets would reset it. And to a server a connection that has never said anything looks like
 * one that is about to: browsers and load balancers keep such, and each would hold the end up for all of its time.
 */
export function closeConnectionsWhileClosing(app: FastifyInstance): void {
  let isClosing = false;
  app.decorate('isClosing', { getter: () => isClosing });
  let arrived = 0;
  const silent = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    arrived += 1;
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  app.server.on('request', ({ socket }: IncomingMessage) => {
    arrived += 1;
    silent.delete(socket);
  });
  app.addHook('preClose', async () => {
    isClosing = true;
    await delay(LAST_REQUESTS_MS);
    // A timer that fires late may do so before the loop has looked at its sockets: a turn to accept, a turn to read, for as
    // long as anybody comes, since a turn accepts a few only.
    for (let seen = -1, pass = 0; seen !== arrived && pass < LAST_PASSES; pass += 1) {
      seen = arrived;
      await turn();
      await turn();
    }
    for (const socket of silent) socket.destroy();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isClosing) reply.header('connection', 'close');
    done();
  });
}
