/**
 * The one check (`npm run check`): everything a change must pass, in the order in which a fault is cheapest to
 * find. All steps run whatever the earlier ones said; each prints a line with its time, a failed one what it
 * wrote. The import rules are among the tests (tests/import-arrows.test.ts).
 *
 * Arguments are handed to vitest: `npm run check -- --project pure`.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VITEST = 'node_modules/vitest/vitest.mjs';

const STEPS = [
  { name: 'format', program: 'node_modules/.bin/biome', args: ['check', '--error-on-warnings', '.'] },
  { name: 'lint', program: 'node_modules/.bin/oxlint', args: ['--deny-warnings'] },
  { name: 'types', program: 'node_modules/.bin/tsc', args: ['--project', '.', '--pretty', 'false'] },
  {
    name: 'tests',
    program: process.execPath,
    args: [VITEST, 'run', ...process.argv.slice(2)],
    isShown: true,
  },
];

/** Runs a step to its end: its exit code, what it wrote, and how long it took. */
function run({ program, args, isShown = false }) {
  const startedAt = performance.now();
  const child = spawn(program, args, { cwd: ROOT, stdio: isShown ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
  const output = [];
  child.stdout?.on('data', (chunk) => output.push(chunk));
  child.stderr?.on('data', (chunk) => output.push(chunk));
  return new Promise((resolve) => {
    const end = (isPassed) =>
      resolve({
        isPassed,
        output: Buffer.concat(output).toString(),
        seconds: (performance.now() - startedAt) / 1000,
      });
    child.on('error', (error) => {
      output.push(Buffer.from(`${program}: ${error.message}\n`));
      end(false);
    });
    child.on('close', (code) => end(code === 0));
  });
}

function lineOf({ name, isPassed, seconds }) {
  return `${isPassed ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s`;
}

const results = [];
for (const step of STEPS) {
  const result = { name: step.name, ...(await run(step)) };
  results.push(result);
  if (!result.isPassed) process.stdout.write(result.output);
  console.log(lineOf(result));
}

const failed = results.filter((result) => !result.isPassed);
console.log(`\ncheck\n${results.map(lineOf).join('\n')}`);
console.log(failed.length === 0 ? 'all passed' : `failed: ${failed.map((result) => result.name).join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
