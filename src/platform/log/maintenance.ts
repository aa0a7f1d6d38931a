/** Keeps room ahead in the range tables while a process runs, by a connection of the owner's that lives as long as one turn. */
import pg from 'pg';
import { makeRoom, type Topology } from './installation.ts';

/** One partition that takes everything, at 12 000 events a second, fills a range in six minutes; two are kept ahead. */
const EVERY_MS = 60_000;

export class RangeMaintenance {
  readonly #url: string;
  readonly #topology: Topology;
  readonly #onError: (error: unknown) => void;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly url: string;
    readonly topology: Topology;
    readonly onError: (error: unknown) => void;
    readonly everyMs?: number;
  }) {
    this.#url = options.url;
    this.#topology = options.topology;
    this.#onError = options.onError;
    this.#everyMs = options.everyMs ?? EVERY_MS;
  }

  open(): void {
    this.#timer = setInterval(() => {
      this.#turn = this.#makeRoom().catch(this.#onError);
    }, this.#everyMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#turn;
  }

  async #makeRoom(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'lastro maintenance' });
    client.on('error', () => undefined); // reported by the query under way
    await client.connect();
    try {
      await makeRoom(client, this.#topology);
    } finally {
      await client.end();
    }
  }
}
