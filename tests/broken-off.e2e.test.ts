/** Commands that somebody ends, and programs whose words nobody takes any more. */
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { http, runAndSignal, runLastro, startLastroProcess } from './lastro-process.ts';

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-broken-off-'));
  await runLastro(['migrate'], { DATA_DIR: folder });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(['verify', 'rebuild', 'findings list', 'dead-letters list', 'keys list'])(
  '%s makes no database where there is none, and says what does',
  async (command) => {
    const place = join(folder, 'misspelt');
    await expect(runLastro(command.split(' '), { DATA_DIR: place })).rejects.toThrow(
      `there is no database in ${place}: ./lastro start makes one`,
    );
    expect(existsSync(place)).toBe(false);
  },
);

test.each([['nope'], ['rebuild', 'nope'], ['verify', '--nope']])(
  'a command line that is not understood ends with 2: %s %s',
  async (...args) => {
    await expect(runLastro(args, { DATA_DIR: folder })).rejects.toThrow(
      /ended with 2:\n(error|lastro): .*nope/,
    );
  },
);

test.runIf(existsSync('/proc/self'))(
  'a data folder in which nothing can be made is told of, and not waited for',
  async () => {
    const run = runLastro(['migrate'], { DATA_DIR: '/proc/lastro/data' });
    await expect(run).rejects.toThrow('cannot write to the data folder /proc/lastro/data: Error: ENOENT');
  },
);

test('a database that cannot be reached is told of with the setting that names it', async () => {
  const settings = { DATA_DIR: folder, DATABASE_URL: 'postgres://lastro:hidden@127.0.0.1:1/lastro' };
  const run = runLastro(['verify'], settings);
  await expect(run).rejects.toThrow(
    'the database that LASTRO_DATABASE_URL names cannot be used: connect ECONNREFUSED 127.0.0.1:1',
  );
  await expect(run).rejects.not.toThrow('hidden');
});

test('a key that cannot be written is not left valid, and one that nobody can read is not made', async () => {
  const settings = { DATA_DIR: folder };
  for (const [file, told] of [
    ['/dev/full', /ended with 1:[^]*the key could not be written \(ENOSPC[^]*: it is revoked/],
    ['/dev/null', /ended with 1:[^]*standard output is closed or \/dev\/null/],
  ] as const) {
    const output = openSync(file, 'w');
    await expect(runLastro(['keys', 'create', '--name', file], settings, output)).rejects.toThrow(told);
    closeSync(output);
  }
  const keys = (await runLastro(['keys', 'list'], settings)).split('\n').map((line) => line.split('\t'));
  expect(keys.filter(([, name]) => name?.startsWith('/dev/'))).toEqual([
    expect.arrayContaining(['/dev/full', expect.stringMatching(/^revoked /)]),
  ]);
});

function isServerLeft(): boolean {
  return existsSync(join(folder, 'postgres', 'cluster', 'postmaster.pid'));
}

test.each([
  ['verify', 'SIGINT', 130],
  ['rebuild', 'SIGTERM', 143],
  ['migrate', 'SIGHUP', 129],
] as const)('%s that %s breaks off leaves no server behind', async (command, signal, status) => {
  const { code, output } = await runAndSignal([command], { DATA_DIR: folder }, signal);
  expect({ code, output }).toMatchObject({ code: status });
  expect(isServerLeft()).toBe(false);
});

test('a process whose terminal is closed finishes and leaves no server behind', async () => {
  const lastro = await startLastroProcess({ DATA_DIR: folder });
  lastro.kill('SIGHUP');
  expect(await lastro.ended).toEqual({ code: 0, signal: null });
  expect(isServerLeft()).toBe(false);
});

test('a process that nobody listens to any more serves on, and ends in order', async () => {
  const lastro = await startLastroProcess({ DATA_DIR: folder, LOG_LEVEL: 'debug' });
  lastro.stopReading();
  for (let count = 0; count < 20; count += 1)
    expect((await http(`${lastro.url}/v1/accounts/wal-1234`)).status).toBe(200);
  lastro.kill('SIGTERM');
  expect(await lastro.ended).toEqual({ code: 0, signal: null });
  expect(isServerLeft()).toBe(false);
});

test.runIf(existsSync('/dev/full'))(
  'a process whose log finds a full disk serves on, and ends in order',
  async () => {
    const full = openSync('/dev/full', 'w');
    const lastro = await startLastroProcess({ DATA_DIR: folder, LOG_LEVEL: 'debug' }, full);
    for (let count = 0; count < 20; count += 1)
      expect((await http(`${lastro.url}/v1/accounts/wal-1234`)).status).toBe(200);
    lastro.kill('SIGTERM');
    expect(await lastro.ended).toEqual({ code: 0, signal: null });
    expect(isServerLeft()).toBe(false);
  },
);
