/** A TCP proxy before PostgreSQL that a test can cut, silence or close: how connections are lost at a chosen moment. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class CutProxy {
  /** The target's, by way of the proxy. */
  readonly url: string;
  readonly #server: Server;
  readonly #pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  #onAsked: ((bytes: Buffer) => void) | undefined;
  #isSilent = false;
  #isStandby = false;
  #vanishesAtGoodbye = false;
  #dropsOptions = false;

  private constructor(server: Server, targetUrl: string) {
    this.#server = server;
    const url = new URL(targetUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    this.url = url.toString();
  }

  /** On a free port, or on the one that is named. */
  static async open(targetUrl: string, port = 0): Promise<CutProxy> {
    const target = new URL(targetUrl);
    const server = createServer({ allowHalfOpen: true });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new CutProxy(server, targetUrl);
    server.on('connection', (client) => {
      proxy.#join(client, connect({ host: target.hostname, port: Number(target.port) }));
    });
    return proxy;
  }

  /** Connections through the proxy now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every connection, both ways, without a goodbye. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** From now on nothing reaches the client, as from a host that has vanished; what the client sends still arrives. */
  silence(): void {
    this.#isSilent = true;
  }

  /** From now on who connects is told that the server is a standby, as while a name leads to one behind a failover. */
  becomeStandby(): void {
    this.#isStandby = true;
  }

  /** From now on nobody gets what he asks for as he connects, as through a pooler that is told to pass it over. */
  dropOptions(): void {
    this.#dropsOptions = true;
  }

  /** What the client has sent reaches the server, no answer comes back, and then the connection is lost. */
  async loseAnswerTo(text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onAsked = (bytes) => {
        if (!bytes.includes(text)) return;
        this.#onAsked = undefined;
        this.#isSilent = true;
        resolve();
      };
    });
  }

  /** From now on the host has vanished for a client that says goodbye: nobody hears that, and the connection is not ended. */
  vanishAtGoodbye(): void {
    this.#vanishesAtGoodbye = true;
  }

  /** Lets answers through again, for connections to come. */
  restore(): void {
    this.#vanishesAtGoodbye = false;
    this.#isSilent = false;
    this.#isStandby = false;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #join(client: Socket, server: Socket): void {
    const pair = { client, server };
    this.#pairs.add(pair);
    let hasVanished = false;
    let isStartup = true;
    client.on('data', (bytes) => {
      this.#onAsked?.(bytes);
      hasVanished = this.#vanishesAtGoodbye && bytes.includes(GOODBYE);
      if (!hasVanished) server.write(isStartup && this.#dropsOptions ? withoutOptions(bytes) : bytes);
      isStartup = false;
    });
    client.on('end', () => {
      if (!hasVanished) client.end();
    });
    server.on('data', (bytes) => {
      if (!this.#isSilent) client.write(this.#isStandby ? asOfStandby(bytes) : bytes);
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
  }
}

/** Terminate. */
const GOODBYE = 'X\0\0\0\x04';

/** ParameterStatus of the protocol: its length, the name and the value, each ended by a zero. */
const PRIMARY = '\0\0\0\x17in_hot_standby\0off\0';
const STANDBY = '\0\0\0\x16in_hot_standby\0on\0';

function asOfStandby(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(PRIMARY, STANDBY), 'latin1');
}

/** StartupMessage: its length, the version, and pairs of names and values, each ended by a zero. */
function withoutOptions(startup: Buffer): Buffer {
  const kept = Buffer.from(startup.toString('latin1').replace(/\0options\0[^\0]*\0/, '\0'), 'latin1');
  kept.writeInt32BE(kept.length, 0);
  return kept;
}
