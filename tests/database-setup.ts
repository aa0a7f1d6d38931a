import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { openRunFolder } from './run-folder.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A server where tests may create databases. */
    databaseUrl: string;
  }
}

/**
 * One PostgreSQL for the whole run, with the settings of production: each project that needs a database opens the
 * same data folder, and the last one to end stops it. `LASTRO_TEST_DATABASE_URL` names another server instead.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const external = process.env['LASTRO_TEST_DATABASE_URL'];
  if (external) {
    project.provide('databaseUrl', external);
    return undefined;
  }
  const folder = await openRunFolder();
  const server = await openEmbeddedPostgres({ dataDir: folder });
  project.provide('databaseUrl', server.url);
  return async () => {
    await server.close();
    if (!existsSync(join(folder, 'postgres/cluster/postmaster.pid')))
      rmSync(folder, { recursive: true, force: true });
  };
}
