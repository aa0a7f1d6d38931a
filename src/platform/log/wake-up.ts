/**
 * Hears of other processes' appends: one connection that listens, opened again when it is lost. A notification says
 * only that it is worth looking; what it is lost with costs a poll's interval (event-log.ts).
 */
import { PrimaryClient } from '../postgres/primary-client.ts';
import { connectionOptions } from '../postgres/session.ts';

export const WAKE_UP_CHANNEL = 'lastro_log';
const REOPEN_AFTER_MS = 1000;

export interface WakeUpOptions {
  readonly url: string;
  readonly onWake: () => void;
  readonly onError: (error: unknown) => void;
}

export class WakeUpListener {
  readonly #options: WakeUpOptions;
  #client: PrimaryClient | undefined;
  #reopen: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: WakeUpOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const client = new PrimaryClient(connectionOptions({ url: this.#options.url, name: 'wake-up' }, 'reads'));
    this.#client = client;
    client.on('notification', this.#options.onWake);
    client.on('error', this.#options.onError);
    client.on('end', () => this.#reopenLater());
    try {
      await client.connect();
      await client.query(`listen ${WAKE_UP_CHANNEL}`);
    } catch (error) {
      this.#options.onError(error);
      // Without a goodbye: who did not answer would not answer that either.
      client.connection.stream.destroy();
      this.#reopenLater();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#reopen);
    await this.#client?.end();
  }

  #reopenLater(): void {
    if (this.#closed) return;
    clearTimeout(this.#reopen);
    this.#reopen = setTimeout(() => void this.open(), REOPEN_AFTER_MS);
  }
}
