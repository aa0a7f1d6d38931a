/** A TCP proxy before a provider that keeps what a sender has let go on the wire, until a test lets it arrive. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Held {
  readonly bytes: Buffer[];
  readonly server: Socket;
}

export class HoldProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held = new Map<Socket, Held>();
  #text: string | undefined;
  #sent = '';
  #answered = '';

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(targetUrl: string): Promise<HoldProxy> {
    const target = new URL(targetUrl);
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new HoldProxy(server);
    server.on('connection', (client) => {
      proxy.#join(client, connect({ host: target.hostname, port: Number(target.port) }));
    });
    return proxy;
  }

  /** Connections that are kept from now on: those on which the text is sent. */
  hold(text: string): void {
    this.#text = text;
  }

  /** How many are kept. */
  get held(): number {
    return this.#held.size;
  }

  /** How often the text has been sent, and was not kept. */
  sent(text: string): number {
    return this.#sent.split(text).length - 1;
  }

  /** How often the provider has answered with the text. */
  answered(text: string): number {
    return this.#answered.split(text).length - 1;
  }

  /** Everything that was kept arrives, and nothing is kept any more. */
  release(): void {
    this.#text = undefined;
    for (const { bytes, server } of this.#held.values()) for (const each of bytes) server.write(each);
    this.#held.clear();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(client: Socket, server: Socket): void {
    client.on('data', (bytes) => this.#pass(client, server, bytes));
    server.on('data', (bytes) => {
      this.#answered += bytes.toString('latin1');
      client.write(bytes);
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      // What is on its way arrives, also when its sender has gone meanwhile.
      from.on('close', () => {
        this.#sockets.delete(from);
        if (!this.#held.has(client)) to.end();
      });
    }
  }

  #pass(client: Socket, server: Socket, bytes: Buffer): void {
    const held = this.#held.get(client);
    if (held !== undefined) held.bytes.push(bytes);
    else if (this.#text !== undefined && bytes.includes(this.#text))
      this.#held.set(client, { bytes: [bytes], server });
    else this.#passOn(server, bytes);
  }

  #passOn(server: Socket, bytes: Buffer): void {
    this.#sent += bytes.toString('latin1');
    server.write(bytes);
  }
}
