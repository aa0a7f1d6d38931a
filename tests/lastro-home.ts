/** Where a test's processes live: a migrated database and a data folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type LastroProcess, startLastroProcess } from './lastro-process.ts';
import { endProviders } from './provider-users.ts';

export class LastroHome {
  readonly database: TestDatabase;
  /** The data folder. */
  readonly folder: string;
  readonly #processes: LastroProcess[] = [];

  private constructor(database: TestDatabase, folder: string) {
    this.database = database;
    this.folder = folder;
  }

  static async open(): Promise<LastroHome> {
    return new LastroHome(await createProductDatabase(), mkdtempSync(join(tmpdir(), 'lastro-home-')));
  }

  /** `settings` are LASTRO_ variables without the prefix. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<LastroProcess> {
    const process = await startLastroProcess({
      DATABASE_URL: this.database.url,
      DATA_DIR: this.folder,
      ...settings,
    });
    this.#processes.push(process);
    return process;
  }

  /** Kills what still runs, stopped processes too, and leaves nothing behind. */
  async remove(): Promise<void> {
    for (const process of this.#processes) process.kill('SIGKILL');
    await Promise.all(this.#processes.map(({ ended }) => ended));
    // Nobody of those that were killed has stopped the sandbox's providers.
    await endProviders(this.folder);
    await this.database.drop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
