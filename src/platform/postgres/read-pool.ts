/** Connections for reads that hold no lock: pages, single resources, timelines. Planned per query by its values, unlike the hot sessions. */
import pg from 'pg';
import { asFault } from './faults.ts';
import { PrimaryClient } from './primary-client.ts';
import { ReadTurns, readingTenant } from './read-turns.ts';
import { connectionOptions } from './session.ts';

/** Reads wait for a connection rather than crowd out the sessions that move money. */
const MAX_CONNECTIONS = 8;

export interface Reader {
  /** One statement of its own; rows as `Row` says. Values are parameters, never text. */
  query<Row>(text: string, values: readonly unknown[]): Promise<Row[]>;
}

export class ReadPool implements Reader {
  readonly #pool: pg.Pool;
  readonly #turns: ReadTurns;
  #closing = false;

  /** `onError` hears of connections lost while idle. */
  constructor(options: { url: string; onError: (error: unknown) => void; connections?: number }) {
    const { connections = MAX_CONNECTIONS } = options;
    this.#turns = new ReadTurns(connections);
    this.#pool = new pg.Pool({
      ...connectionOptions({ url: options.url, name: 'reads' }, 'reads'),
      Client: PrimaryClient,
      max: connections,
    });
    // While closing, a server that stops before the last goodbye has arrived is no loss.
    this.#pool.on('error', (error) => {
      if (!this.#closing) options.onError(error);
    });
  }

  query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return this.#turns.inTurn(readingTenant.getStore(), () => this.#query<Row>(text, values));
  }

  async #query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      return (await this.#pool.query({ text, values: [...values] })).rows as Row[];
    } catch (error) {
      throw asFault(error);
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#pool.end();
  }
}
