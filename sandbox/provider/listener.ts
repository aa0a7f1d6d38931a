/**
 * The listening socket. It can be closed for a time, so that connections are refused by the system itself, as by a host
 * whose program is down; then it is opened again on the same port.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Another program may have taken the port meanwhile: it is asked for again until it is free. */
const REOPEN_EVERY_MS = 100;

export class Listener {
  readonly #server: Server;
  readonly #host: string;
  #port: number;
  #reopening: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(server: Server, { host, port }: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.#host = host;
    this.#port = port;
  }

  /** @returns the port, a free one if 0 was asked for */
  async open(): Promise<number> {
    this.#server.listen({ host: this.#host, port: this.#port, exclusive: true });
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this.#port;
  }

  /** Closes the socket now, cuts what is connected, and opens it again after `forMs`. */
  refuse(forMs: number): void {
    this.#server.close();
    this.#server.closeAllConnections();
    clearTimeout(this.#reopening);
    this.#reopenIn(forMs);
  }

  /** Takes no new connections and ends those that are at rest. */
  stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#reopening);
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** The timer alone keeps the process alive while nothing listens. */
  #reopenIn(waitMs: number): void {
    this.#reopening = setTimeout(() => void this.#reopen(), waitMs);
  }

  async #reopen(): Promise<void> {
    try {
      await this.open();
    } catch {
      if (!this.#isClosed) this.#reopenIn(REOPEN_EVERY_MS);
    }
  }
}
