/** A generator's process as the bench holds it: given a plan, started, waited for, and ended whatever happens. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GeneratorCommand, GeneratorReport, LoadPlan, LoadResult } from './load-plan.ts';

const PROGRAM = fileURLToPath(new URL('./generator.ts', import.meta.url));
/** For opening the connections and for the last answers. */
const GRACE_MS = 60_000;

export interface RunningGenerator {
  /** How many payments of this run have ended, all together: what a plan with `maxUnfinished` goes by. */
  noteFinished(count: number): void;
}

/** Runs the plan; `onStart` is called when every connection is open and the first request is about to be sent. */
export async function generateLoad(
  plan: LoadPlan,
  onStart: (generator: RunningGenerator) => void,
): Promise<LoadResult> {
  const child = fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), plan.durationMs + GRACE_MS);
  try {
    return await converse(child, plan, onStart);
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}

function converse(
  child: ChildProcess,
  plan: LoadPlan,
  onStart: (generator: RunningGenerator) => void,
): Promise<LoadResult> {
  const tell = (command: GeneratorCommand) => child.send(command);
  const noteFinished = (finished: number) => {
    if (child.connected) tell({ finished });
  };
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => reject(new Error(`the load generator ended with status ${status}`)));
    child.on('message', (report: GeneratorReport) => {
      if ('failure' in report) reject(new Error(`the load generator failed: ${report.failure}`));
      else if ('result' in report) resolve(report.result);
      else {
        onStart({ noteFinished });
        tell({ start: true });
      }
    });
    tell({ plan });
  });
}
