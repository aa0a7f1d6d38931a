import { chmodSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { endSurvivors } from '#platform/postgres/embedded/postmaster.ts';
import { isAlive, ownIdentity, parseIdentity, renderIdentity } from '#platform/processes/process-identity.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A server where tests may create databases. */
    databaseUrl: string;
  }
}

const FOLDER_PREFIX = 'lastro-tests-';

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
  await removeAbandoned();
  const folder = join(tmpdir(), `${FOLDER_PREFIX}${renderIdentity(ownIdentity())}`);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o711); // root's PostgreSQL runs as nobody
  const server = await openEmbeddedPostgres({ dataDir: folder });
  project.provide('databaseUrl', server.url);
  return async () => {
    await server.close();
    if (!existsSync(join(folder, 'postgres/cluster/postmaster.pid')))
      rmSync(folder, { recursive: true, force: true });
  };
}

/** Of runs that were killed: their servers go on until somebody stops them. */
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(FOLDER_PREFIX))) {
    const run = parseIdentity(name.slice(FOLDER_PREFIX.length));
    if (run === undefined || isAlive(run)) continue;
    const folder = join(tmpdir(), name);
    const cluster = join(folder, 'postgres', 'cluster');
    if (existsSync(cluster)) await endSurvivors(realpathSync(cluster));
    rmSync(folder, { recursive: true, force: true });
  }
}
