/** `lastro rebuild`: makes the read models anew from the logs, while payments come in. */
import { READ_MODELS, type ReadModelName, rebuild } from '#proof/rebuild.ts';
import { failToUnderstand } from './environment.ts';
import { onDatabase } from './on-database.ts';

export function rebuildCommand(names: readonly string[]): Promise<void> {
  const models = names.length === 0 ? READ_MODELS : names.map(modelNamed);
  return onDatabase(
    (options) => rebuild({ ...options, models }),
    (rebuilt) => {
      for (const { model, written, removed, durationMs } of rebuilt) {
        console.log(`${model}: ${written} rows written, ${removed} removed, in ${Math.round(durationMs)} ms`);
      }
    },
  );
}

function modelNamed(name: string): ReadModelName {
  const model = READ_MODELS.find((known) => known === name);
  return model ?? failToUnderstand(new Error(`no read model ${name}; there are ${READ_MODELS.join(', ')}`));
}
