/**
 * One keep-alive connection with at most one request in flight. It reads into a buffer of its own (`onread`), without
 * the stream machinery between the socket and the parser, and comes back by itself when it is cut.
 */
import { connect, type Socket } from 'node:net';
import { ResponseReader } from './response-reader.ts';

const READ_BUFFER_BYTES = 16 * 1024;
const RECONNECT_AFTER_MS = 100;
/** A server that cuts more often than this per connection is not there. */
const MAX_RECONNECTS = 50;

export interface ConnectionEvents {
  /** An answer to a request that was to be sent at `intendedAtMs`; its body is readable until this returns. */
  answered(connection: Connection, intendedAtMs: number): void;
  /** The connection was cut, or spoke no HTTP. `outcomeUnknown`: with a request in flight. */
  lost(connection: Connection, outcomeUnknown: boolean): void;
  /** Open and without a request in flight. */
  idle(connection: Connection): void;
  failed(error: Error): void;
}

/** What a connection sends: bytes that are the next request, readable until the one after it is asked for. */
export interface LoadRequest {
  next(): Buffer;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly request: LoadRequest;
  readonly events: ConnectionEvents;
}

export class Connection {
  readonly response = new ResponseReader();
  readonly #options: ConnectionOptions;
  readonly #readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  #socket: Socket | undefined;
  #inFlight = false;
  #intendedAtMs = 0;
  #reconnects = 0;
  #wasOpen = false;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  open(): void {
    const { host, port, events } = this.#options;
    const socket = connect({ host, port, noDelay: true, onread: this.#onRead() });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#wasOpen = true;
      events.idle(this);
    });
    socket.on('error', (error) => this.#lost(socket, error));
    socket.on('close', () => this.#lost(socket, new Error('the server closed a connection')));
  }

  get inFlight(): boolean {
    return this.#inFlight;
  }

  /** Sends the next request. Latency will count from `intendedAtMs`. */
  send(intendedAtMs: number): void {
    this.#inFlight = true;
    this.#intendedAtMs = intendedAtMs;
    this.#socket?.write(this.#options.request.next());
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #onRead() {
    return {
      buffer: this.#readBuffer,
      callback: (bytes: number): boolean => {
        this.#receive(this.#readBuffer.subarray(0, bytes));
        return true;
      },
    };
  }

  #receive(chunk: Buffer): void {
    try {
      if (!this.response.read(chunk)) return;
    } catch (error) {
      this.#socket?.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    // A connection that was opened and not used is closed by the server with a 408 that answers nothing.
    if (!this.#inFlight) {
      this.#socket?.destroy();
      return;
    }
    const intendedAtMs = this.#intendedAtMs;
    this.#inFlight = false;
    this.#options.events.answered(this, intendedAtMs);
    if (!this.#closed) this.#options.events.idle(this);
  }

  #lost(socket: Socket, error: Error): void {
    if (this.#closed || this.#socket !== socket) return;
    this.#socket = undefined;
    this.response.reset();
    const { events } = this.#options;
    events.lost(this, this.#inFlight);
    this.#inFlight = false;
    this.#reconnects += 1;
    if (!this.#wasOpen || this.#reconnects > MAX_RECONNECTS) events.failed(error);
    else setTimeout(() => this.#reopen(), RECONNECT_AFTER_MS);
  }

  #reopen(): void {
    if (!this.#closed) this.open();
  }
}
