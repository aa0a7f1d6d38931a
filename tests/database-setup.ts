import type { TestProject } from 'vitest/node';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { dataFolders, isServed, openRunFolder, removeRunFolder } from './run-folder.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Servers where tests may create databases: one, or one for each file that runs at a time. */
    databaseUrls: readonly string[];
  }
}

/**
 * PostgreSQL with the settings of production for the whole run: each project that needs a database opens the same data
 * folder, and the last one to end stops it. Files of processes that run at a time have a server each, since a file's
 * processes take most of the connections that one allows. `LASTRO_TEST_DATABASE_URL` names another server instead.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const external = process.env['LASTRO_TEST_DATABASE_URL'];
  if (external) {
    project.provide('databaseUrls', [external]);
    return undefined;
  }
  const folder = await openRunFolder();
  const count = project.name === 'e2e' ? project.config.maxWorkers : 1;
  const servers = await Promise.all(
    dataFolders(folder, count).map((dataDir) => openEmbeddedPostgres({ dataDir })),
  );
  project.provide(
    'databaseUrls',
    servers.map(({ url }) => url),
  );
  return async () => {
    await Promise.all(servers.map((server) => server.close()));
    if (!isServed(folder)) await removeRunFolder(folder);
  };
}
