/** Tests, counted one by one; the few files that failed are tried again. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { endOf, launch, ROOT } from './commands.mjs';
import { faults, totals } from './steps.mjs';

/** Where tests fail in more files than these, it is by what was changed, not by a machine that stalled. */
const FILES_TRIED_AGAIN = 4;
/** Of why a test failed. */
const HEAD_LINES = 12;

/**
 * Runs a script that hands its arguments to vitest, and counts its tests one by one. What passes only at its second try is
 * named, with what it failed by: it is a defect, of the test or of the product.
 * @param again - the script for the second try
 * @returns what it wrote, how it ended, and whether all its tests pass
 */
export async function runTests(script, again, timeoutMs) {
  const first = await reportTests(script, [], timeoutMs);
  const failed = first.files.filter(hasFailed);
  const second = deservesAnother(first, failed)
    ? await reportTests(again, failed.map(pathOf), timeoutMs)
    : undefined;
  const isMended = second?.exit === 0;

  const last = first.files.map((file) => second?.files.find(({ name }) => name === file.name) ?? file);
  const tests = last.flatMap(({ assertionResults }) => assertionResults);
  for (const { status } of tests) if (status in totals) totals[status] += 1;
  for (const fault of failed.flatMap(faultsOf)) faults.push(`${isMended ? 'UNSTEADY' : 'FAILED'}  ${fault}`);
  return { ...first, areTestsPassed: first.exit === 0 || isMended };
}

/**
 * Machines stall. The few files in which a test with a database or processes failed are run once more, whole, so that they
 * find nothing of what they left. An error outside of every test is in no report.
 */
function deservesAnother({ output }, failed) {
  return (
    failed.length > 0 &&
    failed.length <= FILES_TRIED_AGAIN &&
    failed.every(({ name }) => /\.(db|e2e)\.test\.ts$/.test(name)) &&
    !output.includes('Unhandled Error')
  );
}

/** @returns how it ended, what it wrote, and what vitest reports of each file: of none, if it did not come so far */
async function reportTests(script, files, timeoutMs) {
  const folder = mkdtempSync(join(tmpdir(), 'lastro-ci-'));
  const report = join(folder, 'tests.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const command = launch('npm', ['run', script, '--', ...files, ...reporters]);
  const exit = await endOf(command, timeoutMs).catch(String);
  const reported = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : [];
  rmSync(folder, { recursive: true, force: true });
  return { exit, output: command.output, files: reported };
}

function hasFailed({ status }) {
  return status !== 'passed';
}

function pathOf({ name }) {
  return relative(ROOT, name);
}

/** Of a file in which no test failed, it was the file itself: its hooks, or what it imports. */
function faultsOf(file) {
  const failed = file.assertionResults.filter(({ status }) => status === 'failed');
  const faulty = failed.map(({ fullName, failureMessages }) => [`: ${fullName}`, failureMessages[0]]);
  return (faulty.length > 0 ? faulty : [['', file.message]]).map(([name, why = '']) =>
    [`${pathOf(file)}${name}`, ...headOf(why)].join('\n          '),
  );
}

/** Up to where it was in our own code. */
function headOf(why) {
  const lines = why.split('\n').filter((line) => !/^ +at .*(node_modules|<anonymous>)/.test(line));
  return lines.slice(0, HEAD_LINES);
}
