/**
 * A server that answers every payment request as the product does, without doing anything: what the generator costs by
 * itself is measured against it, and its tests run against it.
 */
import { createServer, type Server, type Socket } from 'node:net';

interface Answer {
  readonly status: number;
  readonly body: string;
  /** What the head says of the body, if not the truth: with more, the answer never comes to its end. */
  readonly length?: number;
}

export interface AnsweringServerOptions {
  /** Status and body for the n-th request (from 1) with this head; undefined to cut the connection instead. */
  readonly answer: (head: string, requests: number) => Answer | undefined;
}

export class AnsweringServer {
  /** Every request as it came. */
  readonly requests: string[] = [];
  readonly #options: AnsweringServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: AnsweringServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** On a free port of the loopback, which it resolves with. */
  open(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** A request of the generator comes in one piece: it is small and the connection has one at a time. */
  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      const request = bytes.toString('latin1');
      this.requests.push(request);
      const answer = this.#options.answer(request, this.requests.length);
      if (answer === undefined) socket.destroy();
      else socket.write(render(answer));
    });
  }
}

function render({ status, body, length = body.length }: Answer): string {
  return `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`;
}
