/** What a test of a list stands on: rows of its own in a prepared database, and the reads over it. */
import { Client } from 'pg';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { createPreparedDatabase } from './database.ts';

export class ListedRows {
  /** As the owner of the database. */
  readonly owner: Client;
  readonly pool: ReadPool;
  readonly #drop: () => Promise<void>;

  private constructor(owner: Client, pool: ReadPool, drop: () => Promise<void>) {
    this.owner = owner;
    this.pool = pool;
    this.#drop = drop;
  }

  static async open(): Promise<ListedRows> {
    const database = await createPreparedDatabase();
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    const pool = new ReadPool({ url: database.url, onError: () => {}, connections: 1 });
    return new ListedRows(owner, pool, () => database.drop());
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.owner.end();
    await this.#drop();
  }
}

/** Every page of a list, followed to its end. `before`: where a page begins; none for the first one. */
export async function allPages<Item>(
  read: (before: string | undefined) => Promise<{ items: readonly Item[]; next: string | undefined }>,
): Promise<Item[][]> {
  const pages: Item[][] = [];
  let before: string | undefined;
  do {
    const { items, next } = await read(before);
    pages.push([...items]);
    before = next;
  } while (before !== undefined);
  return pages;
}
