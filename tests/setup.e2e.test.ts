import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitUntil } from '#platform/processes/wait-until.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
/** Without the packages' programs, as in a shell: `node` and `npm` are the system's. */
const systemPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter);

let folder: string;
let clone: string;

/** A fresh clone with a space in its name and no package to install. */
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'lastro-setup-')));
  clone = join(folder, 'fresh clone');
  for (const part of ['lastro', 'tools/setup.mjs', 'tools/setup-lock.mjs'])
    cpSync(join(repository, part), join(clone, part));
  writeLockfile('1.0.0');
  mkdirSync(join(clone, 'src', 'cli'), { recursive: true });
  const report =
    'JSON.stringify({ argv: process.argv.slice(2), cwd: process.cwd(), pid: process.pid, node: process.version })';
  writeFileSync(
    join(clone, 'src', 'cli', 'lastro.ts'),
    `const out: string = ${report};\nconsole.log(out);\nprocess.exitCode = 7;\n`,
  );
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function writeLockfile(version: string): void {
  const self = { name: 'fresh-clone', version };
  writeFileSync(join(clone, 'package.json'), JSON.stringify({ ...self, type: 'module' }));
  writeFileSync(
    join(clone, 'package-lock.json'),
    JSON.stringify({ ...self, lockfileVersion: 3, requires: true, packages: { '': self } }),
  );
}

/**
 * Stands for npm, which would need a registry to have something to install: it notes each call, can be told to wait
 * or to fail, and installs this process's Node as the pinned one.
 */
function givenNpm(behaviour: 'installs' | 'hangs' | 'fails'): NodeJS.ProcessEnv {
  const script = join(folder, 'npm-cli.js');
  const [bin, calls] = [join(clone, 'node_modules', '.bin'), join(folder, 'calls')];
  const act = {
    installs: `fs.mkdirSync(${JSON.stringify(bin)}, { recursive: true }); fs.symlinkSync(${JSON.stringify(process.execPath)}, ${JSON.stringify(join(bin, 'node'))});`,
    hangs: `fs.writeFileSync(${JSON.stringify(join(folder, 'npm-pid'))}, String(process.pid)); setInterval(() => undefined, 1000);`,
    fails: `console.error('npm error network'); process.exitCode = 3;`,
  }[behaviour];
  const remove = `fs.rmSync(${JSON.stringify(join(clone, 'node_modules'))}, { recursive: true, force: true });`;
  const note = `fs.appendFileSync(${JSON.stringify(calls)}, process.argv.slice(2).join(' ') + '\\n');`;
  writeFileSync(script, `const fs = require('node:fs');\n${note}\n${remove}\n${act}\n`);
  return { npm_execpath: script, npm_node_execpath: process.execPath };
}

function npmCalls(): string[] {
  const path = join(folder, 'calls');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

interface Outcome {
  readonly code: number | null;
  readonly pid: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

function start(program: string, args: string[], { env = {}, cwd = '/' }: StartOptions = {}): ChildProcess {
  const clean = { HOME: folder, PATH: systemPath, ...env };
  return spawn(program, args, { cwd, env: clean, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function finish(child: ChildProcess): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, pid: child.pid, ...output };
}

const setUp = (env: NodeJS.ProcessEnv) => start('node', [join(clone, 'tools', 'setup.mjs')], { env });

test('a fresh clone is installed once, with progress on standard error; after that setup is silent', async () => {
  const env = givenNpm('installs');
  const first = await finish(setUp(env));
  expect(first).toMatchObject({ code: 0, stdout: '' });
  expect(first.stderr).toMatch(/installing the packages.*installed in \d+ s/s);
  expect(await finish(setUp(env))).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(npmCalls()).toHaveLength(1);
});

test('everything the project needs is asked for, whatever settings npm handed down', async () => {
  await finish(
    setUp({
      ...givenNpm('installs'),
      NODE_ENV: 'production',
      npm_config_loglevel: 'silent',
      npm_config_omit: 'dev',
    }),
  );
  expect(npmCalls()).toEqual(['ci --include=dev --include=optional --loglevel=error --no-audit --no-fund']);
});

test('npx runs the command of the folder that it is called in', async () => {
  const { bin } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { bin: unknown };
  writeFileSync(
    join(clone, 'package.json'),
    JSON.stringify({ name: 'lastro', version: '1.0.0', type: 'module', bin }),
  );
  await finish(setUp(givenNpm('installs')));
  const run = { cwd: clone, env: { npm_config_cache: join(folder, 'npm-cache') } };
  const { code, stdout } = await finish(start('npx', ['--no', '--offline', '--', 'lastro', 'verify'], run));
  expect([code, JSON.parse(stdout)]).toMatchObject([7, { argv: ['verify'] }]);
});

test('another lockfile is another installation', async () => {
  const env = givenNpm('installs');
  await finish(setUp(env));
  writeLockfile('2.0.0');
  expect(await finish(setUp(env))).toMatchObject({ code: 0 });
  expect(npmCalls()).toHaveLength(2);
});

test('an installation made by hand is accepted', async () => {
  mkdirSync(join(clone, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(process.execPath, join(clone, 'node_modules', '.bin', 'node'));
  writeFileSync(join(clone, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: {} }));
  expect(await finish(setUp(givenNpm('fails')))).toMatchObject({ code: 0, stderr: '' });
});

test('two first starts at once install once', async () => {
  const env = givenNpm('installs');
  const both = await Promise.all([finish(setUp(env)), finish(setUp(env))]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(npmCalls()).toHaveLength(1);
});

const hangingNpm = () => Number(readFileSync(join(folder, 'npm-pid'), 'utf8'));
const npmHangs = () => waitUntil(() => existsSync(join(folder, 'npm-pid')) && hangingNpm() > 0, 30_000);

test('a setup that was killed holds nobody up once its npm has ended, and what they left half done is done again', async () => {
  const killed = setUp(givenNpm('hangs'));
  expect(await npmHangs()).toBe(true);
  const waiting = setUp(givenNpm('installs'));
  const outcome = finish(waiting);
  if (waiting.stderr === null) throw new Error('no output');
  const [said] = (await once(waiting.stderr, 'data')) as [Buffer];
  expect(said.toString()).toContain('another process is installing');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(npmCalls()).toHaveLength(1);
  process.kill(hangingNpm(), 'SIGKILL');
  expect(await outcome).toMatchObject({ code: 0 });
  expect(npmCalls()).toHaveLength(2);
});

test('SIGTERM ends npm too', async () => {
  const interrupted = setUp(givenNpm('hangs'));
  const outcome = finish(interrupted);
  expect(await npmHangs()).toBe(true);
  interrupted.kill('SIGTERM');
  expect(await outcome).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('ended with SIGTERM') as string,
  });
});

test('a failure says what failed, below what npm said, and the next start tries again', async () => {
  const failed = await finish(setUp(givenNpm('fails')));
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(
    /npm error network\nlastro: the packages could not be installed \(npm ci ended with code 3\)/,
  );
  expect(await finish(setUp(givenNpm('installs')))).toMatchObject({ code: 0 });
});

test('without npm on the machine that is what it says', async () => {
  const node = join(folder, 'bin', 'node');
  mkdirSync(join(folder, 'bin'));
  symlinkSync(process.execPath, node);
  const outcome = await finish(
    start(node, [join(clone, 'tools', 'setup.mjs')], { env: { PATH: join(folder, 'bin') } }),
  );
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain('needs npm, which is not there');
});

test('./lastro installs with the real npm, from another folder and through links, and then is the program', async () => {
  mkdirSync(join(folder, 'bin'));
  symlinkSync('../fresh clone/lastro', join(folder, 'relative'));
  symlinkSync('fresh clone/lastro', join(folder, 'beside'));
  symlinkSync(join(folder, 'beside'), join(folder, 'bin', 'lastro'));
  // The pinned Node comes from npm; here there is nothing to install, so the Node that runs setup takes its place.
  symlinkSync(process.execPath, join(folder, 'bin', 'node'));
  const env = { PATH: `${join(folder, 'bin')}${delimiter}${systemPath}` };
  const outcome = await finish(
    start(join(folder, 'bin', 'lastro'), ['keys', 'two words', ''], { env, cwd: folder }),
  );
  expect(outcome.code).toBe(7);
  const report = JSON.parse(outcome.stdout) as Record<string, unknown>;
  expect(report).toEqual({
    argv: ['keys', 'two words', ''],
    cwd: folder,
    pid: outcome.pid,
    node: process.version,
  });
});

test('./lastro runs nothing when the installation failed', async () => {
  const outcome = await finish(start(join(clone, 'lastro'), ['start'], { env: givenNpm('fails') }));
  expect(outcome).toMatchObject({ code: 1, stdout: '' });
});

test('a folder that cannot be written is named', async () => {
  const file = join(clone, '.cache');
  writeFileSync(file, '');
  chmodSync(file, 0o400);
  const outcome = await finish(setUp(givenNpm('installs')));
  expect(outcome).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`${clone}/ cannot be written`) as string,
  });
});
