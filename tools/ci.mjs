/**
 * What `.ci/run` runs, in the order in which a newcomer meets it: `npm start` with the README's curl, `npm run check`,
 * a part of its tests on PostgreSQL 15, `npm run bench`, `npm run torture`. Every step is run whatever the earlier ones
 * said. Each counts as one, the tests as many as there are; the last line is `N passed, N failed`, and the exit code is 1
 * if anything failed.
 *
 * Plain JavaScript for Node 20, because on a clean clone nothing is installed when it begins.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A first start installs the packages. */
const START_MS = 240_000;
const PAYMENT_MS = 10_000;
const STOP_MS = 30_000;
const CHECK_MS = 2_400_000;
const POSTGRES_15_MS = 600_000;
const BENCH_MS = 300_000;
const TORTURE_MS = 420_000;
const POLL_MS = 50;
/** Where tests fail in more files than these, it is by what was changed, not by a machine that stalled. */
const FILES_TRIED_AGAIN = 4;
/** Of why a test failed. */
const HEAD_LINES = 12;

const HAPPY_PATH = [
  'payment.requested',
  'payment.validated',
  'payment.authorized',
  'entry.posted',
  'payment.completed',
  'notification.queued',
];

const totals = { passed: 0, failed: 0 };
/** Said again before the last line: what was written between is long. */
const faults = [];

function count(name, isPassed, seconds) {
  totals[isPassed ? 'passed' : 'failed'] += 1;
  console.log(`${isPassed ? 'ok    ' : 'FAILED'}  ${name} (${seconds.toFixed(1)} s)`);
}

/** Runs and counts one step; what it returns goes to the next. A step that throws has failed, and is told why. */
async function step(name, work) {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  try {
    const result = await work();
    count(name, true, seconds());
    return result;
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    count(name, false, seconds());
    return undefined;
  }
}

function ensure(condition, message) {
  if (!condition) throw new Error(message);
}

/** A command in a process group of its own, so that nothing of it outlives its time; its output is shown and kept. */
function launch(program, args, env = {}) {
  const child = spawn(program, args, {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const command = { pid: child.pid, output: '', exit: undefined, kill: () => killGroup(child.pid) };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      command.output += text;
      process.stdout.write(text);
    });
  }
  command.ended = new Promise((resolve) => {
    const end = (exit) => {
      command.exit ??= exit;
      resolve(command.exit);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(signal ?? code));
  });
  return command;
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** The exit code or signal; what does not end in time is killed. */
async function endOf(command, timeoutMs) {
  const timeout = new AbortController();
  const late = delay(timeoutMs, 'late', { signal: timeout.signal }).catch(() => 'late');
  const exit = await Promise.race([command.ended, late]);
  timeout.abort();
  if (exit !== 'late') return exit;
  command.kill();
  throw new Error(`did not end within ${timeoutMs / 1000} s`);
}

async function until(find, timeoutMs, what) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    ensure(performance.now() < deadline, `${what} did not come within ${timeoutMs / 1000} s`);
    await delay(POLL_MS);
  }
}

// --- the README's first command, and its curl ---

async function start(dataDir) {
  const server = launch('npm', ['start'], { LASTRO_DATA_DIR: dataDir, LASTRO_PORT: '0' });
  const find = () => {
    ensure(server.exit === undefined, `npm start ended with ${server.exit}`);
    return /ready at (http:\/\/\S+)/.exec(server.output)?.[1];
  };
  try {
    return { server, url: await until(find, START_MS, 'the address') };
  } catch (error) {
    server.kill();
    throw error;
  }
}

/** The README's curl as it stands there, sent to where this server listens. */
async function payByCurl(url) {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const curl = /^curl [^`]*/m.exec(readme)?.[0];
  ensure(curl !== undefined, 'the README has no curl');
  const target = /--location '([^']+)'/.exec(curl)[1].replace(/^localhost:8080/, url);
  const headers = Object.fromEntries(
    [...curl.matchAll(/--header '([^:]+): ([^']*)'/g)].map((match) => match.slice(1)),
  );
  const body = /--data '([^']*)'/.exec(curl)[1];
  const answer = await fetch(target, { method: 'POST', headers, body });
  const text = await answer.text();
  ensure(answer.status === 202, `${answer.status} ${text}`);
  return JSON.parse(text).id;
}

async function read(url) {
  const answer = await fetch(url);
  const text = await answer.text();
  ensure(answer.status === 200, `${url} answered ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** Resolves when the payment is final, told of and judged. */
async function followPayment(url, id) {
  const path = `${url}/v1/payments/${id}`;
  await until(
    async () => ((await read(path)).status === 'completed' ? true : undefined),
    PAYMENT_MS,
    'completion',
  );
  await until(
    async () => ((await read(`${path}/verdict`)).verdict === 'complete' ? true : undefined),
    PAYMENT_MS,
    'the verdict',
  );
  const types = (await read(`${path}/events`)).data.map((event) => event.type);
  ensure(types.join() === HAPPY_PATH.join(), `the timeline is ${types.join(', ')}`);
}

async function post(url, key, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'idempotency-key': key, 'content-type': 'application/json', prefer: 'wait=10' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  ensure(answer.status === 200, `${url} answered ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** The accounts of the README's curl; its sandbox has the providers. */
async function payByGateway(url) {
  const order = {
    wallet_id: 'wal-1234',
    service_id: 'abc-1234',
    amount: 500,
    currency: 'USD',
    method: 'gateway',
  };
  const payment = await post(`${url}/v1/payments`, 'ci-gateway', order);
  ensure(payment.status === 'completed', `the payment is ${payment.status}`);
  const refund = await post(`${url}/v1/payments/${payment.id}/refunds`, 'ci-refund', { amount: 200 });
  ensure(refund.status === 'completed', `the refund is ${refund.status}`);
  for (const path of [`payments/${payment.id}`, `refunds/${refund.id}`])
    await until(
      async () => ((await read(`${url}/v1/${path}/verdict`)).verdict === 'complete' ? true : undefined),
      PAYMENT_MS,
      'the verdict',
    );
}

async function stop({ server }, dataDir) {
  process.kill(server.pid, 'SIGTERM');
  const exit = await endOf(server, STOP_MS);
  ensure(exit === 0, `npm start ended with ${exit}`);
  ensure(!existsSync(join(dataDir, 'postgres/cluster/postmaster.pid')), 'PostgreSQL still runs');
}

async function tryAsNewcomer() {
  const dataDir = mkdtempSync(join(tmpdir(), 'lastro-ci-'));
  chmodSync(dataDir, 0o711); // root's PostgreSQL runs as nobody
  let id;
  for (const turn of ['npm start', 'npm start again']) {
    const running = await step(turn, () => start(dataDir));
    if (running === undefined) break;
    // The second time, the same key gets the same payment.
    const answered = await step(`${turn}: the README's curl`, async () => {
      const paid = await payByCurl(running.url);
      ensure(id === undefined || id === paid, `the same key made ${paid} beside ${id}`);
      return paid;
    });
    id ??= answered;
    await step(`${turn}: completed, six events, verified`, () => followPayment(running.url, id));
    await step(`${turn}: paid by a gateway, refunded, verified`, () => payByGateway(running.url));
    await step(`${turn}: SIGTERM ends it in order`, () => stop(running, dataDir));
  }
  await step('./lastro verify', async () => {
    const command = launch('./lastro', ['verify'], { LASTRO_DATA_DIR: dataDir });
    ensure((await endOf(command, START_MS)) === 0, 'it found differences');
  });
  rmSync(dataDir, { recursive: true, force: true });
}

// --- the checks ---

/**
 * Runs a script that hands its arguments to vitest, and counts its tests one by one. What passes only at its second try is
 * named, with what it failed by: it is a defect, of the test or of the product.
 * @param again - the script for the second try
 * @returns what it wrote, how it ended, and whether all its tests pass
 */
async function runTests(script, again, timeoutMs) {
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
