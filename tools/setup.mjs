/**
 * Installs what package-lock.json names, if that has not been done, so that one command on a fresh clone is enough.
 * It runs before anything is installed: on the system's Node (20 or later), with Node's own modules alone, in
 * syntax that Node 20 parses. What it says goes to standard error, since `./lastro` has output of its own.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withSetupLock } from './setup-lock.mjs';

const OLDEST_SYSTEM_NODE = 20;
/** What the program needs; npm brings it on Linux, elsewhere it has to be the system's. */
const PINNED_NODE = 24;

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
const stampPath = join(modules, '.lastro-installed');
const pinnedNode = join(modules, '.bin', 'node');

class SetupError extends Error {}

async function setUp() {
  refuseUnsupported();
  const stamp = fingerprint();
  if (isInstalled(stamp)) return;
  await withSetupLock(lockFolder(), { onWaiting: sayWaiting }, async (lendTo) => {
    if (isInstalled(stamp)) return;
    if (!matchesLockfile()) await install(lendTo);
    provideNode();
    writeFileSync(stampPath, stamp);
  });
}

function refuseUnsupported() {
  if (process.platform === 'win32')
    throw new SetupError('on Windows, Lastro runs in WSL (https://learn.microsoft.com/windows/wsl)');
  if (majorOf(process.version) >= OLDEST_SYSTEM_NODE) return;
  throw new SetupError(`Node.js ${OLDEST_SYSTEM_NODE} or later is needed, this is ${process.version}`);
}

function majorOf(version) {
  return Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);
}

function fingerprint() {
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(lockfile).update(`${process.platform}-${process.arch}`).digest('hex');
}

function isInstalled(stamp) {
  return existsSync(pinnedNode) && existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp;
}

/** Outside node_modules, which npm deletes first. */
function lockFolder() {
  const folder = join(root, '.cache', 'setup-lock');
  try {
    mkdirSync(folder, { recursive: true });
    return folder;
  } catch (error) {
    throw new SetupError(`the packages are not installed, and ${root} cannot be written: ${error.message}`);
  }
}

/** Whether somebody ran `npm ci` by hand: the list npm leaves of what it installed has all that this platform needs. */
function matchesLockfile() {
  const listPath = join(modules, '.package-lock.json');
  if (!existsSync(listPath)) return false;
  const installed = readPackages(listPath);
  return Object.entries(readPackages(join(root, 'package-lock.json'))).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    return found === undefined
      ? !isNeeded(wanted)
      : found.version === wanted.version && existsSync(join(root, path));
  });
}

function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
}

/** Of optional packages those for exactly this platform; the ones that also depend on the C library come in variants. */
function isNeeded({ optional, os, cpu, libc }) {
  if (!optional) return true;
  return (
    libc === undefined && os?.includes(process.platform) === true && cpu?.includes(process.arch) === true
  );
}

async function install(lendTo) {
  say('installing the packages named in package-lock.json into node_modules, once');
  const startedAtMs = Date.now();
  rmSync(stampPath, { force: true });
  const { program, args } = npmCommand();
  const npmArgs = [
    ...args,
    'ci',
    // Said explicitly, because `npm start` hands down its own settings: NODE_ENV=production, --silent, --omit=….
    '--include=dev',
    '--include=optional',
    '--loglevel=error',
    '--no-audit',
    '--no-fund',
  ];
  const failure = await run(program, npmArgs, lendTo);
  if (failure !== undefined)
    throw new SetupError(`the packages could not be installed (npm ci ${failure}): npm's reason is above`);
  say(`installed in ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
}

/** The npm that started us; another package manager's lockfile is not ours. */
function npmCommand() {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  const isNpm = script !== undefined && basename(script).startsWith('npm');
  return isNpm ? { program: node ?? process.execPath, args: [script] } : { program: 'npm', args: [] };
}

/** Undefined when it succeeded, otherwise how it ended. */
function run(program, args, onStarted) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 2, 2] });
    if (child.pid !== undefined) onStarted(child.pid);
    const passOn = (signal) => child.kill(signal); // half an installation must not go on without us
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, passOn);
    child.on('error', (error) =>
      resolve(error.code === 'ENOENT' ? `needs ${program}, which is not there` : error.message),
    );
    child.on('close', (code, signal) =>
      resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`),
    );
  });
}

/** npm has the pinned Node for Linux with glibc; elsewhere the one that runs this takes its place, if it is new enough. */
function provideNode() {
  if (
    existsSync(pinnedNode) &&
    majorOf(spawnSync(pinnedNode, ['--version']).stdout?.toString() ?? '') >= PINNED_NODE
  )
    return;
  if (majorOf(process.version) < PINNED_NODE) {
    throw new SetupError(
      `on ${process.platform}-${process.arch} Node.js ${PINNED_NODE} or later must be installed (https://nodejs.org), this is ${process.version}`,
    );
  }
  mkdirSync(join(modules, '.bin'), { recursive: true });
  rmSync(pinnedNode, { force: true });
  symlinkSync(process.execPath, pinnedNode);
}

function sayWaiting() {
  say('another process is installing the packages, waiting for it');
}

function say(message) {
  console.error(`lastro: ${message}`);
}

try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
