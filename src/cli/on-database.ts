/** What `verify` and `rebuild` have in common: long work on the database of the environment, with its progress. */
import type { OnProgress } from '#proof/progress.ts';
import { openInstallation } from '../open-database.ts';
import { workOn } from './break-off.ts';
import { failWithoutVerdict, readEnvironment, say } from './environment.ts';
import { ProgressLine } from './progress-line.ts';

/** `report` writes the result when the progress has ended. A failure ends the process (`failWithoutVerdict`). */
export async function onDatabase<Result>(
  work: (options: { readonly url: string; readonly onProgress: OnProgress }) => Promise<Result>,
  report: (result: Result) => void,
): Promise<void> {
  const { settings, dataDir } = readEnvironment();
  const line = new ProgressLine();
  try {
    const opening = openInstallation({ dataDir, databaseUrl: settings.databaseUrl, onProgress: say });
    await workOn(opening, async ({ url }) => {
      const result = await work({ url, onProgress: (progress) => line.show(progress) });
      line.end();
      report(result);
    });
  } catch (error) {
    line.end();
    failWithoutVerdict(error);
  }
}
