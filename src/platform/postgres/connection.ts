/** One pipelined connection, opened when first needed and again after it was lost. */
import pg from 'pg';
import { asFault, isTransient } from './faults.ts';
import { PrimaryClient } from './primary-client.ts';

/** `any`: a standby too, for who only reads and is soon done. */
export type ServerWanted = 'primary' | 'any';

/** Asked of each connection before anything else is; throws a fault if the server at its end will not do. */
export type Inspect = (client: pg.Client) => Promise<void>;

export class Connection {
  readonly #config: pg.ClientConfig;
  readonly #Client: typeof pg.Client;
  readonly #inspect: Inspect | undefined;
  #client: Promise<pg.Client> | undefined;

  constructor(
    config: pg.ClientConfig,
    {
      wanted = 'primary',
      inspect,
    }: { wanted?: ServerWanted | undefined; inspect?: Inspect | undefined } = {},
  ) {
    this.#config = config;
    this.#Client = wanted === 'any' ? pg.Client : PrimaryClient;
    this.#inspect = inspect;
  }

  open(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    const opening: Promise<pg.Client> = this.#connect(() => {
      // A later connection may stand in its place.
      if (this.#client === opening) this.#client = undefined;
    });
    this.#client = opening;
    return opening;
  }

  /** The next one is another. It says goodbye without waiting: a server that is being replaced may be gone before it hears that. */
  leave(): void {
    const opening = this.#client;
    this.#client = undefined;
    opening?.then((client) => void client.end(), whoOpensHears);
  }

  async close(): Promise<void> {
    const opening = this.#client;
    this.#client = undefined;
    if (opening === undefined) return;
    try {
      await (await opening).end();
    } catch (error) {
      // Closing a connection that is lost already has nothing left to do; anything else is worth knowing.
      if (!isTransient(asFault(error))) throw error;
    }
  }

  async #connect(forget: () => void): Promise<pg.Client> {
    const client = new this.#Client({ ...this.#config, pipeline: true });
    client.on('error', forget);
    client.on('end', forget);
    try {
      await client.connect();
      await this.#inspected(client);
      return client;
    } catch (error) {
      forget();
      throw asFault(error);
    }
  }

  async #inspected(client: pg.Client): Promise<void> {
    try {
      await this.#inspect?.(client);
    } catch (error) {
      void client.end(); // without waiting, as in `leave`
      throw error;
    }
  }
}

/** A connection that could not be opened has failed for who asked for it, and has nothing to be left. */
function whoOpensHears(): void {
  return;
}
