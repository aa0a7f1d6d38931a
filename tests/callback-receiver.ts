/** Takes callbacks as a merchant would, checks their signature by the reference library, and keeps them in order. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { closeServer, listenOnLoopback, urlOf } from './loopback-server.ts';
import { faultOf } from './webhook-receiver.ts';

export interface Callback {
  readonly path: string;
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly status: string;
  /** The library's complaint about signature or time, if it has one. */
  readonly fault: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  readonly receivedAt: number;
}

export class CallbackReceiver {
  readonly url: string;
  readonly callbacks: Callback[] = [];
  /** What it answers. */
  status = 204;
  readonly #server: Server;
  readonly #secret: string;

  private constructor(server: Server, secret: string) {
    this.#server = server;
    this.#secret = secret;
    this.url = `${urlOf(server)}/callbacks`;
    server.on('request', (request, response) => void this.#take(request, response));
  }

  static async open(secret: string): Promise<CallbackReceiver> {
    return new CallbackReceiver(await listenOnLoopback(), secret);
  }

  /** Of the charge or refund with this key. */
  of(key: string): readonly Callback[] {
    return this.callbacks.filter((callback) => callback.key === key);
  }

  close(): Promise<void> {
    return closeServer(this.#server);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString();
    const body = JSON.parse(text) as { type: string; data: { key: string; status: string } };
    this.callbacks.push({
      path: request.url ?? '',
      id: String(request.headers['webhook-id']),
      type: body.type,
      key: body.data.key,
      status: body.data.status,
      fault: faultOf({ text, headers: request.headers as Record<string, string> }, this.#secret),
      body,
      receivedAt: performance.now(),
    });
    response.writeHead(this.status).end();
  }
}
