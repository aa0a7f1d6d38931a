/** What a test of a list stands on: rows of its own in a prepared database, and the reads over it. */
import type { Client } from 'pg';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { OwnedDatabase } from './owned-database.ts';

export class ListedRows {
  readonly pool: ReadPool;
  readonly #database: OwnedDatabase;

  private constructor(database: OwnedDatabase) {
    this.#database = database;
    this.pool = new ReadPool({ url: database.url, onError: () => {}, connections: 1 });
  }

  static async open(): Promise<ListedRows> {
    return new ListedRows(await OwnedDatabase.open());
  }

  /** As the owner of the database. */
  get owner(): Client {
    return this.#database.owner;
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.#database.close();
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
