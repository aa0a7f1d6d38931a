/**
 * Requests that a connection sends before it has the answers to those before (pipelining, RFC 9112 §9.3.2). One read brings
 * hundreds of them; handled at once, those of sixty connections stood in everybody's way for eight seconds. So they
 * line up:
 *
 * L1: a request that nothing of its connection precedes is let in at once; nearly all are, and they pay one comparison.
 * L2: of one connection at most MOST_UNDER_WAY others are under way, and nothing more of it is read while any waits.
 * L3: between two looks at all sockets at most MOST_IN_A_TURN others are let in; connections take turns, a request each.
 * L4: at most MOST_WAITING wait in memory; the connection that sends one more is cut, unless few of its own wait.
 * L5: what waits for a connection that has ended, or is ending, is dropped (RFC 9112 §9.6).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** L2. Fills a batch together with others; a connection that wants more in flight may be a second one. */
const MOST_UNDER_WAY = 16;
/** L3. A refusal that is logged costs 150 µs. */
const MOST_IN_A_TURN = 64;
/** L4. Of 2 kB each; a read of 64 kB brings 200 payments. */
const MOST_WAITING = 65_536;

/** Puts the line before whatever listens for the server's requests so far. */
export function lineUpPipelined(server: Server, mostWaiting = MOST_WAITING): void {
  const handlers = server.listeners('request') as RequestListener[];
  const line = new Line(mostWaiting, (request, response) => {
    for (const handle of handlers) handle(request, response);
  });
  server.removeAllListeners('request');
  server.on('request', (request, response) => line.take({ request, response }));
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Connection {
  readonly socket: Socket;
  readonly waiting: Exchange[];
  underWay: number;
}

class Line {
  readonly #mostWaiting: number;
  readonly #handle: RequestListener;
  readonly #connections = new Map<Socket, Connection>();
  /** Of which one may be let in, in the order of turns. */
  readonly #ready = new Set<Connection>();
  /** What ends a request of one caller is not to be the context of another's. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #waiting = 0;
  #isTurnDue = false;

  constructor(mostWaiting: number, handle: RequestListener) {
    this.#mostWaiting = mostWaiting;
    this.#handle = handle;
  }

  take(exchange: Exchange): void {
    const { request, response } = exchange;
    // Node gives a response its socket when all before it have been sent. L1
    if (response.socket !== null) this.#handle(request, response);
    else this.#hold(exchange, this.#connectionOf(request.socket));
  }

  #hold(exchange: Exchange, connection: Connection): void {
    if (this.#waiting >= this.#mostWaiting && connection.waiting.length >= MOST_UNDER_WAY) {
      connection.socket.destroy(); // L4
      return;
    }
    this.#waiting += 1;
    connection.waiting.push(exchange);
    if (connection.waiting.length === 1) connection.socket.pause(); // L2
    this.#makeReady(connection);
  }

  #connectionOf(socket: Socket): Connection {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const connection = { socket, waiting: [], underWay: 0 };
    this.#connections.set(socket, connection);
    // Node resumes a socket behind each request that it has parsed, and whenever a body is read.
    socket.on('resume', () => {
      if (connection.waiting.length > 0) socket.pause(); // L2
    });
    socket.once('close', () => this.#drop(connection));
    return connection;
  }

  #makeReady(connection: Connection): void {
    if (connection.waiting.length === 0 || connection.underWay >= MOST_UNDER_WAY) return;
    this.#ready.add(connection);
    this.#scheduleTurn();
  }

  #scheduleTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(this.#outside, () => this.#letIn());
  }

  // L3
  #letIn(): void {
    this.#isTurnDue = false;
    for (let count = 0; count < MOST_IN_A_TURN; count += 1) {
      const [connection] = this.#ready;
      if (connection === undefined) return;
      this.#ready.delete(connection);
      this.#letOneIn(connection);
    }
    if (this.#ready.size > 0) this.#scheduleTurn();
  }

  #letOneIn(connection: Connection): void {
    const { socket, waiting } = connection;
    const exchange = socket.writable ? waiting.shift() : undefined; // L5
    if (exchange === undefined) return;
    this.#waiting -= 1;
    connection.underWay += 1;
    exchange.response.once('finish', () => {
      connection.underWay -= 1;
      this.#makeReady(connection);
    });
    if (waiting.length === 0) socket.resume();
    this.#handle(exchange.request, exchange.response);
    this.#makeReady(connection);
  }

  // L5
  #drop(connection: Connection): void {
    this.#connections.delete(connection.socket);
    this.#ready.delete(connection);
    this.#waiting -= connection.waiting.length;
    connection.waiting.length = 0;
  }
}
