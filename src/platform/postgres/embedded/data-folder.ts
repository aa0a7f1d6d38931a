import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import { makeFolders } from '../../processes/make-folders.ts';
import { replaceFile } from '../../processes/replace-file.ts';

/**
 * What lies in `<data folder>/postgres`:
 *
 *     cluster/       PostgreSQL's files, owned by the user that runs it; or a link to where they are (create-cluster.ts)
 *     password       of the role `lastro`, 0600
 *     port           that the server listened on last
 *     server.log     its standard error; the one before in server.log.1
 *     lock/          tickets of the folder lock
 *     participants/  who uses the server
 */
export interface DataFolder {
  readonly folder: string;
  readonly cluster: string;
  readonly log: string;
  readonly lock: string;
  readonly participants: string;
}

/** Also of one whose files are out of reach: that is told when it is opened. */
export function hasCluster(dataDir: string): boolean {
  return lstatSync(join(folderIn(dataDir), 'cluster'), { throwIfNoEntry: false }) !== undefined;
}

function folderIn(dataDir: string): string {
  return join(resolve(dataDir), 'postgres');
}

export function prepareDataFolder(dataDir: string): DataFolder {
  const folder = folderIn(dataDir);
  try {
    makeFolders(folder);
    if (process.getuid?.() === 0) [dirname(folder), folder].forEach(letOthersThrough);
  } catch (cause) {
    throw new Fault(`cannot write to the data folder ${resolve(dataDir)}: ${String(cause)}`, {
      transient: false,
      cause,
    });
  }
  const inside = (name: string) => join(folder, name);
  return {
    folder,
    cluster: inside('cluster'),
    log: inside('server.log'),
    lock: inside('lock'),
    participants: inside('participants'),
  };
}

/** The cluster's true path, undefined before it was created. */
export function findCluster(data: DataFolder): string | undefined {
  if (existsSync(data.cluster)) return realpathSync(data.cluster);
  if (lstatSync(data.cluster, { throwIfNoEntry: false }) === undefined) return undefined;
  const place = readlinkSync(data.cluster);
  throw new Fault(
    `the database of ${data.folder} was kept in ${place}, which is gone: restore it, or delete ${data.cluster} to begin anew`,
    {
      transient: false,
    },
  );
}

/** 256 random bits, hexadecimal, made at the first start and kept for ever. */
export function loadPassword(data: DataFolder): string {
  const path = join(data.folder, 'password');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  if (existsSync(data.cluster)) {
    throw new Fault(`${path} is missing: without it nobody can log in to the database in ${data.cluster}`, {
      transient: false,
    });
  }
  replaceFile(path, randomBytes(32).toString('hex'));
  return readFileSync(path, 'utf8').trim();
}

export function findLastPort(data: DataFolder): number | undefined {
  const path = join(data.folder, 'port');
  const port = existsSync(path) ? Number(readFileSync(path, 'utf8')) : Number.NaN;
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

export function savePort(data: DataFolder, port: number): void {
  replaceFile(join(data.folder, 'port'), `${port}\n`);
}

/**
 * Only root needs this, whose server runs as nobody: to pass through a folder without seeing what is in it. The
 * data folder is ours and every secret in it is 0600; the folders above it are not ours and stay as they are.
 */
function letOthersThrough(folder: string): void {
  const { mode } = statSync(folder);
  if ((mode & 0o001) === 0) chmodSync(folder, (mode & 0o7777) | 0o001);
}
