/**
 * A partner's system, for trying connectors out: an ERP that knows customers and takes exports. Each export is taken once, by
 * its idempotency key; it can be told to misbehave. A program of its own: it imports nothing of Lastro.
 *
 *   GET  /customers/{id}       a customer, 404 for ids that begin with "no"
 *   POST /exports              takes an export → 201 {"id": "exp_<n>"}; the same key again → the same answer
 *   POST /exports/undo         takes the export under the key without "-undo" back
 *   GET  /exports              what was taken, for people and tests
 *   POST /behaviour            {"kind": "fail" | "refuse" | "hang" | "redirect", "times": n}: how the next ones to /exports end
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Export {
  readonly id: string;
  readonly key: string;
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
  /** How often it came. */
  times: number;
  isUndone: boolean;
}

type Behaviour = 'fail' | 'refuse' | 'hang' | 'redirect';

export interface PartnerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Before each answer. */
  readonly delayMs?: number;
  /** If given, what `Authorization` must be. */
  readonly authorization?: string;
}

export class Partner {
  readonly exports = new Map<string, Export>();
  /** Look-ups of customers. */
  lookUps = 0;
  readonly #server: Server;
  readonly #options: PartnerOptions;
  #behaviour: { readonly kind: Behaviour; times: number } | undefined;

  private constructor(server: Server, options: PartnerOptions) {
    this.#server = server;
    this.#options = options;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  static async open(options: PartnerOptions = {}): Promise<Partner> {
    const server = createServer().listen(options.port ?? 0, '127.0.0.1');
    await once(server, 'listening');
    return new Partner(server, options);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How the next exports end, so often. */
  behave(kind: Behaviour, times: number): void {
    this.#behaviour = { kind, times };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString();
    const { delayMs = 0, authorization } = this.#options;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    const path = request.url ?? '';
    if (path === '/behaviour') {
      const { kind, times } = JSON.parse(text) as { kind: Behaviour; times: number };
      this.behave(kind, times);
      send(response, 204);
    } else if (path === '/exports' && request.method === 'GET') {
      send(response, 200, [...this.exports.values()]);
    } else if (authorization !== undefined && request.headers.authorization !== authorization) {
      // A careless partner, who repeats what it was given.
      send(response, 401, { error: `not ${String(request.headers.authorization)}` });
    } else if (path.startsWith('/customers/')) {
      this.lookUps++;
      this.#customer(decodeURIComponent(path.slice('/customers/'.length)), response);
    } else if (path === '/exports') {
      this.#export(request, response, text);
    } else if (path === '/exports/undo') {
      this.#undo(request, response);
    } else {
      send(response, 404, { error: 'no such path' });
    }
  }

  #customer(id: string, response: ServerResponse): void {
    if (id.startsWith('no')) send(response, 404, { error: 'no such customer' });
    else send(response, 200, { id, name: `Customer ${id}`, segment: 'retail' });
  }

  #export(request: IncomingMessage, response: ServerResponse, text: string): void {
    const behaviour = this.#nextBehaviour();
    if (behaviour === 'fail') return send(response, 503, { error: 'try again' }, { 'retry-after': '0' });
    if (behaviour === 'refuse') return send(response, 422, { error: 'never' });
    if (behaviour === 'redirect')
      return send(response, 302, undefined, { location: 'http://169.254.169.254/' });
    const key = String(request.headers['idempotency-key'] ?? '');
    const known = this.exports.get(key);
    const taken = known ?? {
      id: `exp_${this.exports.size + 1}`,
      key,
      body: JSON.parse(text) as unknown,
      headers: request.headers,
      times: 0,
      isUndone: false,
    };
    taken.times++;
    this.exports.set(key, taken);
    // Taken, and nobody is told.
    if (behaviour !== 'hang') send(response, known === undefined ? 201 : 200, { id: taken.id });
  }

  #undo(request: IncomingMessage, response: ServerResponse): void {
    const key = String(request.headers['idempotency-key'] ?? '').replace(/-undo$/, '');
    const taken = this.exports.get(key);
    if (taken !== undefined) taken.isUndone = true;
    send(response, 200, { id: taken?.id ?? 'nothing' });
  }

  #nextBehaviour(): Behaviour | undefined {
    const next = this.#behaviour;
    if (next === undefined || next.times <= 0) return undefined;
    next.times--;
    return next.kind;
  }
}

function send(
  response: ServerResponse,
  status: number,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...headers,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
