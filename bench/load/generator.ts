/**
 * The load generator: a process of its own, so that its CPU is counted apart and its event loop is never the bench's.
 * Told what to do and when to begin by its parent (load-plan.ts); ends with it.
 */
import type { GeneratorCommand, GeneratorReport } from './load-plan.ts';
import { LoadRun } from './load-run.ts';

let run: LoadRun | undefined;

process.on('message', (command: GeneratorCommand) => {
  if ('finished' in command) {
    run?.noteFinished(command.finished);
    return;
  }
  const work = 'plan' in command ? open(command) : start();
  work.catch((error: unknown) => {
    report({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    run?.close();
  });
});
process.on('disconnect', () => process.exit(0));

async function open({ plan }: Extract<GeneratorCommand, { plan: unknown }>): Promise<void> {
  run = new LoadRun(plan);
  await run.open();
  report({ ready: true });
}

async function start(): Promise<void> {
  if (run !== undefined) report({ result: await run.run() });
}

function report(message: GeneratorReport): void {
  process.send?.(message);
}
