/** Takes webhooks as their receiver would, and keeps them in order. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { closeServer, listenOnLoopback, urlOf } from './loopback-server.ts';

export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** Of the subject at the endpoint: 1, 2, 3 … */
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** `hang`: it is never answered. */
export type Answer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | 'hang';

export class WebhookReceiver {
  readonly received: Received[] = [];
  /** Those that were answered 2xx, in the order of the answers. */
  readonly taken: Received[] = [];
  conduct: (received: Received) => Answer = () => ({ status: 204 });
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = urlOf(server);
    server.on('request', (request, response) => void this.#take(request, response));
  }

  static async open(): Promise<WebhookReceiver> {
    return new WebhookReceiver(await listenOnLoopback());
  }

  at(path: string): readonly Received[] {
    return this.received.filter((each) => each.path === path);
  }

  takenAt(path: string): readonly Received[] {
    return this.taken.filter((each) => each.path === path);
  }

  close(): Promise<void> {
    return closeServer(this.#server);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString();
    const { type, subject, sequence, data } = JSON.parse(text) as {
      type: string;
      subject: string;
      sequence: string;
      data: Record<string, unknown>;
    };
    const headers = request.headers as Record<string, string>;
    const received: Received = {
      path: request.url ?? '',
      headers,
      text,
      id: headers['webhook-id'] ?? '',
      type,
      subject,
      sequence: Number(sequence),
      data,
    };
    this.received.push(received);
    const answer = this.conduct(received);
    if (answer === 'hang') return;
    if (answer.status < 300) this.taken.push(received);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }
}

/** What the official library says against it; undefined if it is authentic. */
export function faultOf(
  { text, headers }: Pick<Received, 'text' | 'headers'>,
  secret: string,
): string | undefined {
  try {
    new Webhook(secret).verify(text, { ...headers });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
