/** A partner whose answers a test decides, and what it was sent under which key. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { closeServer, listenOnLoopback, urlOf } from './loopback-server.ts';

export interface Sent {
  readonly path: string;
  readonly key: string;
  readonly body: unknown;
}

export class LetterPartner {
  readonly sent: Sent[] = [];
  answer: (sent: Sent) => number = () => 200;
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = urlOf(server);
    server.on('request', (request, response) => void this.#take(request, response));
  }

  static async open(): Promise<LetterPartner> {
    return new LetterPartner(await listenOnLoopback());
  }

  under(key: unknown): Sent[] {
    return this.sent.filter((each) => each.key === key);
  }

  close(): Promise<void> {
    return closeServer(this.#server);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString();
    const key = String(request.headers['idempotency-key']);
    const sent = { path: request.url ?? '', key, body: JSON.parse(text) as unknown };
    this.sent.push(sent);
    response.writeHead(this.answer(sent)).end(JSON.stringify({ said: 'so' }));
  }
}
