/**
 * What `.ci/run` runs, in the order in which a newcomer meets it: `npm start` with the README's curl, `npm run check`,
 * a part of its tests on PostgreSQL 15, `npm run bench`, `npm run torture`. Every step is run whatever the earlier ones
 * said. Each counts as one, the tests as many as there are; the last line is `N passed, N failed`, and the exit code is 1
 * if anything failed.
 *
 * Plain JavaScript for Node 20, because on a clean clone nothing is installed when it begins.
 */
import { endOf, launch } from './ci/commands.mjs';
import { tryAsNewcomer } from './ci/newcomer.mjs';
import { ensure, faults, step, totals } from './ci/steps.mjs';
import { runTests } from './ci/tests.mjs';

const CHECK_MS = 2_400_000;
const POSTGRES_15_MS = 600_000;
const BENCH_MS = 300_000;
const TORTURE_MS = 420_000;

/** Its parts count, too, as it lists them at its end. */
async function check() {
  await step('npm run check', async () => {
    const { exit, output, areTestsPassed } = await runTests('check', 'test', CHECK_MS);
    const parts = output
      .slice(output.lastIndexOf('\ncheck\n'))
      .matchAll(/^(ok|FAILED) +(format|lint|types) /gm);
    const failed = [];
    for (const [, verdict, name] of parts) {
      totals[verdict === 'ok' ? 'passed' : 'failed'] += 1;
      if (verdict !== 'ok') failed.push(name);
    }
    ensure(exit === 0 || (areTestsPassed && failed.length === 0), `it ended with ${exit}`);
  });
}

async function checkOldestPostgres() {
  await step('npm run check:postgres-15', async () => {
    const { exit, areTestsPassed } = await runTests('check:postgres-15', 'check:postgres-15', POSTGRES_15_MS);
    ensure(exit === 0 || areTestsPassed, `it ended with ${exit}`);
  });
}

async function bench() {
  const command = launch('npm', ['run', 'bench', '--', '--quick']);
  await step('npm run bench -- --quick', async () =>
    ensure((await endOf(command, BENCH_MS)) === 0, 'it failed'),
  );
}

/** Sixty faults, with another seed each time; the seed is the first thing that it prints. */
async function torture() {
  const command = launch('npm', ['run', 'torture']);
  await step('npm run torture', async () => ensure((await endOf(command, TORTURE_MS)) === 0, 'it failed'));
}

await tryAsNewcomer();
await check();
await checkOldestPostgres();
await bench();
await torture();
process.exitCode = totals.failed === 0 ? 0 : 1;
for (const fault of faults) console.log(fault);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
