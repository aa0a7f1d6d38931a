/** A prepared database, and a connection to it as its owner: for rows that a test makes and looks at by itself. */
import { Client } from 'pg';
import { createPreparedDatabase, type TestDatabase } from './database.ts';

export class OwnedDatabase {
  readonly owner: Client;
  readonly #database: TestDatabase;

  private constructor(owner: Client, database: TestDatabase) {
    this.owner = owner;
    this.#database = database;
  }

  static async open(): Promise<OwnedDatabase> {
    const database = await createPreparedDatabase();
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    return new OwnedDatabase(owner, database);
  }

  get url(): string {
    return this.#database.url;
  }

  async close(): Promise<void> {
    await this.owner.end();
    await this.#database.drop();
  }
}
