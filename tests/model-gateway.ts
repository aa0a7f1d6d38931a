/**
 * A payment gateway in the process of a test: it speaks the protocol, keeps a book, and does to each request what the
 * test tells it to. Real HTTP over loopback.
 */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type GatewayOperation = 'charge' | 'inquire' | 'void' | 'refund' | 'inquire_refund';

export interface Conduct {
  /** Whether it does what is asked. Default true. */
  readonly acts?: boolean;
  /** What becomes of a charge or refund that is new. Default `approved`, `succeeded`. */
  readonly status?: string;
  /** How it answers. A number is a status without a document. Default by its document. */
  readonly answers?: 'never' | 'garbage' | 'cut' | number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Booked {
  readonly kind: 'charge' | 'refund';
  readonly key: string;
  readonly charge: string | null;
  readonly amount: number;
  readonly currency: string;
  status: string;
}

export interface Seen {
  readonly operation: GatewayOperation;
  readonly key: string;
}

export class ModelGateway {
  readonly secret = `whsec_${Buffer.from('a secret of thirty-two bytes, or so').toString('base64')}`;
  readonly book = new Map<string, Booked>();
  readonly seen: Seen[] = [];
  /** What it does with a request; undefined: what it should. */
  conduct: (seen: Seen) => Conduct | undefined = () => undefined;
  #server: Server;
  #port = 0;

  private constructor() {
    this.#server = this.#make();
  }

  static async open(): Promise<ModelGateway> {
    const gateway = new ModelGateway();
    await gateway.listen();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Takes connections, at its own port after the first time. */
  async listen(): Promise<void> {
    this.#server = this.#make();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Refuses connections, and cuts those that there are. */
  async refuse(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  count(operation: GatewayOperation): number {
    return this.seen.filter((each) => each.operation === operation).length;
  }

  /** Keys of charges that it has taken and not given back. */
  get charged(): string[] {
    const entries = [...this.book.values()];
    const returned = new Set(
      entries
        .filter(({ kind, status }) => kind === 'refund' && status === 'succeeded')
        .map(({ charge }) => charge),
    );
    return entries
      .filter(({ kind, status, key }) => kind === 'charge' && status === 'approved' && !returned.has(key))
      .map(({ key }) => key);
  }

  /** The body and headers of a callback about what it has booked, signed as it should be. */
  callback(
    key: string,
    more: { readonly status?: string; readonly at?: number; readonly secret?: string } = {},
  ): { body: string; headers: Record<string, string> } {
    const booked = this.book.get(key);
    if (booked === undefined) throw new Error(`nothing booked of ${key}`);
    const status = more.status ?? booked.status;
    const timestamp = String(Math.floor((more.at ?? Date.now()) / 1000));
    const data = { ...documentOf(booked), status };
    const body = JSON.stringify({
      type: `${booked.kind}.${status}`,
      timestamp: new Date().toISOString(),
      data,
    });
    const secret = Buffer.from((more.secret ?? this.secret).slice('whsec_'.length), 'base64');
    const signature = createHmac('sha256', secret).update(`msg_1.${timestamp}.${body}`).digest('base64');
    return {
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'msg_1',
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,bm90IHRoaXMgb25l v1,${signature}`,
      },
    };
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  #make(): Server {
    return createServer((request, response) => void this.#serve(request, response));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const seen = this.#read(request);
    this.seen.push(seen);
    const conduct = this.conduct(seen) ?? {};
    const [status, document] =
      conduct.acts === false
        ? [500, {}]
        : this.#act(seen, JSON.parse(text === '' ? '{}' : text) as Body, conduct);
    const { answers = status } = conduct;
    if (answers === 'never') return;
    if (answers === 'cut') {
      request.socket.destroy();
      return;
    }
    const isGarbage = answers === 'garbage';
    response.writeHead(isGarbage ? 200 : answers, { 'content-type': 'application/json', ...conduct.headers });
    response.end(isGarbage ? 'no JSON' : JSON.stringify(answers === status ? document : { code: 'told_to' }));
  }

  #read({ method, url = '', headers }: IncomingMessage): Seen {
    const [, collection, key = '', verb] = url.split('/');
    const posted = String(headers['idempotency-key'] ?? '');
    if (method === 'POST' && verb === 'void') return { operation: 'void', key };
    if (method === 'POST') return { operation: collection === 'charges' ? 'charge' : 'refund', key: posted };
    return { operation: collection === 'charges' ? 'inquire' : 'inquire_refund', key };
  }

  #act({ operation, key }: Seen, body: Body, { status }: Conduct): [number, object] {
    const known = this.book.get(key);
    switch (operation) {
      case 'charge':
        if (known?.status === 'voided') return [409, { code: 'charge_voided' }];
        return this.#show(
          known ?? this.#enter({ kind: 'charge', key, ...body, charge: null, status: status ?? 'approved' }),
        );
      case 'refund':
        if (known === undefined && this.book.get(body.charge ?? '')?.status !== 'approved')
          return [422, { code: 'charge_not_approved', detail: 'There is no such charge.' }];
        return this.#show(
          known ??
            this.#enter({
              kind: 'refund',
              key,
              ...body,
              charge: body.charge ?? '',
              status: status ?? 'succeeded',
            }),
        );
      case 'inquire':
        return known === undefined ? [404, { code: 'charge_not_found' }] : this.#show(known);
      case 'inquire_refund':
        return known === undefined ? [404, { code: 'refund_not_found' }] : this.#show(known);
      case 'void':
        return this.#void(key, known);
      default:
        throw new Error(`no such operation: ${String(operation)}`);
    }
  }

  #void(key: string, known: Booked | undefined): [number, object] {
    if (known?.status === 'approved') return [409, { code: 'charge_approved', charge: documentOf(known) }];
    if (known?.status === 'declined') return this.#show(known);
    if (known === undefined)
      this.#enter({ kind: 'charge', key, charge: null, amount: 0, currency: '', status: 'voided' });
    else known.status = 'voided';
    return [200, { key, status: 'voided' }];
  }

  #enter({ kind, key, charge, amount, currency, status }: Booked): Booked {
    const booked = { kind, key, charge, amount, currency, status };
    this.book.set(key, booked);
    return booked;
  }

  #show(booked: Booked): [number, object] {
    return [200, documentOf(booked)];
  }
}

interface Body {
  readonly amount: number;
  readonly currency: string;
  readonly charge?: string;
}

function documentOf(booked: Booked) {
  const { kind, key, charge, amount, currency, status } = booked;
  const reason = { code: 'told_to', detail: 'The test wants it so.' };
  const document = { id: `${kind}-of-${key}`, key, reference: 'ref', amount, currency, status };
  return kind === 'charge'
    ? { ...document, decline: status === 'declined' ? reason : null }
    : { ...document, charge, failure: status === 'failed' ? reason : null };
}
