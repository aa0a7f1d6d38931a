import { openDatabase } from '../open-database.ts';
import { workOn } from './break-off.ts';
import { fail, readEnvironment, say } from './environment.ts';

/** `lastro migrate`: what a deployment runs before the new version starts. */
export async function migrateOnly(): Promise<void> {
  const { settings, dataDir } = readEnvironment();
  try {
    const { databaseUrl, partitions } = settings;
    const opening = openDatabase({ dataDir, databaseUrl, partitions, onProgress: say });
    await workOn(opening, async () => say('the database is up to date'));
  } catch (error) {
    fail(error);
  }
}
