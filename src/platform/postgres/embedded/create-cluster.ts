import { randomUUID } from 'node:crypto';
import { chownSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import { syncFolder } from '../../processes/replace-file.ts';
import type { Binaries } from './binaries.ts';
import type { DataFolder } from './data-folder.ts';
import { runProgram } from './run-program.ts';
import { findClosedFolder, type ServerUser } from './server-user.ts';

/** Where root's clusters go when nobody cannot enter the data folder. */
const SHARED_FOLDER = '/var/lib/lastro';

export interface CreateClusterOptions {
  readonly data: DataFolder;
  readonly binaries: Binaries;
  readonly user: ServerUser;
  readonly password: string;
  readonly onProgress: (message: string) => void;
  /** Replaces `/var/lib/lastro`. */
  readonly sharedFolder?: string;
}

/**
 * Makes the cluster under another name and renames it: it is complete or not there. A project that only root can
 * enter (`/root/…`) gets its cluster under `/var/lib/lastro`, and `cluster` in the data folder is a link to it.
 */
export async function createCluster(options: CreateClusterOptions): Promise<void> {
  const { data } = options;
  removeUnfinished(data.folder);
  const closed = findClosedFolder(data.folder, options.user);
  if (closed === undefined) {
    await initializeAt(data.cluster, options);
    return;
  }
  const place = join(openSharedFolder(options, closed), `postgres-${randomUUID()}`);
  options.onProgress(`PostgreSQL's user cannot enter ${closed}: its files are kept in ${place}`);
  await initializeAt(place, options);
  symlinkSync(place, data.cluster);
  syncFolder(data.folder);
}

function openSharedFolder(
  { user, sharedFolder = SHARED_FOLDER }: CreateClusterOptions,
  closed: string,
): string {
  const remedy = `set LASTRO_DATA_DIR to a folder that user ${user.uid} can enter, start as an ordinary user, or set LASTRO_DATABASE_URL`;
  try {
    mkdirSync(sharedFolder, { recursive: true, mode: 0o711 });
  } catch (cause) {
    throw new Fault(
      `PostgreSQL's user cannot enter ${closed}, and ${sharedFolder} cannot be made: ${remedy}`,
      {
        transient: false,
        cause,
      },
    );
  }
  const alsoClosed = findClosedFolder(sharedFolder, user);
  if (alsoClosed === undefined) return sharedFolder;
  throw new Fault(`PostgreSQL's user can enter neither ${closed} nor ${alsoClosed}: ${remedy}`, {
    transient: false,
  });
}

async function initializeAt(place: string, options: CreateClusterOptions): Promise<void> {
  const unfinished = `${place}.new-${randomUUID()}`;
  const passwordFile = `${unfinished}.password`;
  try {
    mkdirSync(unfinished, { mode: 0o700 });
    writeFileSync(passwordFile, options.password, { mode: 0o600, flag: 'wx' });
    for (const path of [unfinished, passwordFile]) chownSync(path, options.user.uid, options.user.gid);
    await runInitdb(unfinished, passwordFile, options);
    renameSync(unfinished, place);
    syncFolder(dirname(place));
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function runInitdb(
  folder: string,
  passwordFile: string,
  { binaries, user }: CreateClusterOptions,
): Promise<void> {
  const { exitCode, stdout, stderr } = await runProgram(
    binaries.initdb,
    [
      `--pgdata=${folder}`,
      `--pwfile=${passwordFile}`,
      '--username=lastro',
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C', // compares bytes: one order on every machine, and no index depends on a library's version
      '--data-checksums',
      '--no-instructions',
    ],
    user,
  );
  if (exitCode === 0) return;
  throw new Fault(`PostgreSQL could not create its files in ${folder}: ${stderr.trim() || stdout.trim()}`, {
    transient: false,
  });
}

/** Of a start that was killed; no other start is under way while we hold the lock. */
function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('cluster.new-')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
