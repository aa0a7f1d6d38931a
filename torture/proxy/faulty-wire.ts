/**
 * A TCP proxy that stands for the network between two parts of a run: it cuts, slows and stalls what passes, and loses
 * answers. It knows no protocol, and it never changes, repeats or reorders a byte.
 *
 * W1: within a direction of a connection bytes arrive in the order in which they were sent, whatever was done meanwhile.
 * W2: a connection on which bytes were thrown away carries nothing any more: it is cut before anything else passes.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What happens to data: it passes after a delay, waits, or is thrown away on its way back. */
type Mood =
  | { readonly is: 'passing'; readonly delayMs: number }
  | { readonly is: 'stalled' }
  | { readonly is: 'losing-answers' };

const PASSING: Mood = { is: 'passing', delayMs: 0 };

export class FaultyWire {
  readonly port: number;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #mood: Mood = PASSING;
  #target: () => Address | undefined = () => undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => this.#join(client, this.#target()));
  }

  /** It leads nowhere yet. */
  static async open(): Promise<FaultyWire> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultyWire(server);
  }

  /** `target`: asked for every connection; undefined: nobody is there, the connection is reset. */
  leadTo(target: () => Address | undefined): void {
    this.#target = target;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Resets every connection, both ways. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** From now on everything arrives so much later. */
  slow(delayMs: number): void {
    this.#become({ is: 'passing', delayMs });
  }

  /** From now on nothing arrives, and everything is kept. */
  stall(): void {
    this.#become({ is: 'stalled' });
  }

  /** From now on what clients send arrives, and they are answered by nobody. */
  loseAnswers(): void {
    this.#become({ is: 'losing-answers' });
  }

  /** Everything passes again; connections that lost something are cut (W2). */
  restore(): void {
    for (const connection of this.#connections) if (connection.hasLost) connection.cut();
    this.#become(PASSING);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #become(mood: Mood): void {
    this.#mood = mood;
    for (const connection of this.#connections) connection.become(mood);
  }

  #join(client: Socket, target: Address | undefined): void {
    if (target === undefined) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const connection = new Connection(client, connect(target), this.#mood);
    this.#connections.add(connection);
    connection.onEnd = () => this.#connections.delete(connection);
  }
}

class Connection {
  hasLost = false;
  onEnd: () => void = () => undefined;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #ways: readonly Way[];
  #mood: Mood;

  constructor(client: Socket, server: Socket, mood: Mood) {
    this.#client = client;
    this.#server = server;
    this.#mood = mood;
    this.#ways = [new Way(server, mood), new Way(client, mood)];
    const [there, back] = this.#ways;
    client.on('data', (bytes) => there?.take(bytes));
    server.on('data', (bytes) => {
      if (this.#mood.is === 'losing-answers') this.hasLost = true;
      else back?.take(bytes);
    });
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.cut());
      socket.on('close', () => this.cut());
    }
  }

  become(mood: Mood): void {
    this.#mood = mood;
    for (const way of this.#ways) way.become(mood);
  }

  cut(): void {
    for (const way of this.#ways) way.drop();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.onEnd();
  }
}

/** One direction of a connection. */
class Way {
  readonly #to: Socket;
  readonly #waiting: { readonly bytes: Buffer; readonly sentAt: number }[] = [];
  #mood: Mood;
  #timer: NodeJS.Timeout | undefined;

  constructor(to: Socket, mood: Mood) {
    this.#to = to;
    this.#mood = mood;
  }

  take(bytes: Buffer): void {
    this.#waiting.push({ bytes, sentAt: performance.now() });
    this.#pass();
  }

  become(mood: Mood): void {
    this.#mood = mood;
    this.#pass();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  /** W1: first in, first out; what is not due yet keeps what came after it waiting. */
  #pass(): void {
    clearTimeout(this.#timer);
    if (this.#mood.is === 'stalled') return;
    const delayMs = this.#mood.is === 'passing' ? this.#mood.delayMs : 0;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const leftMs = first.sentAt + delayMs - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#pass(), leftMs);
        return;
      }
      this.#waiting.shift();
      this.#to.write(first.bytes);
    }
  }
}
