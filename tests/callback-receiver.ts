/** Takes callbacks as a merchant would, checks their signature by the reference library, and keeps them in order. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

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
  readonly #webhook: Webhook;

  private constructor(server: Server, secret: string) {
    this.#server = server;
    this.#webhook = new Webhook(secret);
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callbacks`;
    server.on('request', (request, response) => void this.#take(request, response));
  }

  static async open(secret: string): Promise<CallbackReceiver> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CallbackReceiver(server, secret);
  }

  /** Of the charge or refund with this key. */
  of(key: string): readonly Callback[] {
    return this.callbacks.filter((callback) => callback.key === key);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
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
      fault: this.#faultOf(text, request),
      body,
      receivedAt: performance.now(),
    });
    response.writeHead(this.status).end();
  }

  #faultOf(text: string, request: IncomingMessage): string | undefined {
    try {
      this.#webhook.verify(text, request.headers as Record<string, string>);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
