/** `lastro rebuild`: makes the read models anew from the logs, while payments come in. */
import { READ_MODELS, type ReadModelName, rebuild } from '#proof/rebuild.ts';
import { connectDatabase } from '../open-database.ts';
import { fail, readEnvironment, say } from './environment.ts';
import { ProgressLine } from './progress-line.ts';

export async function rebuildCommand(names: readonly string[]): Promise<void> {
  const { settings, dataDir } = readEnvironment();
  const line = new ProgressLine();
  try {
    const models = names.map(modelNamed);
    const database = await connectDatabase({ dataDir, databaseUrl: settings.databaseUrl, onProgress: say });
    try {
      const rebuilt = await rebuild({
        url: database.url,
        ...(models.length === 0 ? {} : { models }),
        onProgress: (progress) => line.show(progress),
      });
      line.end();
      for (const { model, written, removed, durationMs } of rebuilt) {
        console.log(`${model}: ${written} rows written, ${removed} removed, in ${Math.round(durationMs)} ms`);
      }
    } finally {
      await database.close();
    }
  } catch (error) {
    line.end();
    fail(error);
  }
}

function modelNamed(name: string): ReadModelName {
  const model = READ_MODELS.find((known) => known === name);
  if (model === undefined) throw new Error(`no read model ${name}; there are ${READ_MODELS.join(', ')}`);
  return model;
}
