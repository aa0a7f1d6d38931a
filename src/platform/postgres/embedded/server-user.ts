import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '#kernel/fault.ts';

/** PostgreSQL refuses to run as root, so root lends it another user; everybody else runs it as themselves. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
  /** Set when it is not the user of this process: given to `spawn`. */
  readonly spawnAs: { readonly uid: number; readonly gid: number } | undefined;
}

/** @param clusterFolder an existing cluster: only its owner can serve it. Undefined before the first start. */
export function chooseServerUser(clusterFolder: string | undefined): ServerUser {
  const own = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  if (own.uid !== 0) return { ...own, spawnAs: undefined };
  const lent = clusterFolder === undefined ? findNobody() : ownerOf(clusterFolder);
  return { ...lent, spawnAs: { uid: lent.uid | 0, gid: lent.gid | 0 } }; // macOS: nobody is -2, shown as 4294967294
}

/** The first folder on the way to `path` that `user` cannot enter, by its mode; undefined when the way is free. */
export function findClosedFolder(path: string, user: ServerUser): string | undefined {
  return ancestorsOf(realpathSync(path)).find((folder) => !mayEnter(folder, user));
}

function mayEnter(folder: string, { uid, gid }: Pick<ServerUser, 'uid' | 'gid'>): boolean {
  const stat = statSync(folder);
  if (stat.uid === uid) return (stat.mode & 0o100) !== 0;
  return (stat.mode & (stat.gid === gid ? 0o010 : 0o001)) !== 0;
}

function ancestorsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...ancestorsOf(parent), path];
}

function ownerOf(folder: string): { uid: number; gid: number } {
  const { uid, gid } = statSync(folder);
  return { uid, gid };
}

/** initdb looks its user up by number, so the number must be one the system knows. */
function findNobody(): { uid: number; gid: number } {
  const entry = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  if (entry === null) {
    throw new Fault(
      'PostgreSQL does not run as root and this system has no user "nobody" to run it as: start as an ordinary user, or set LASTRO_DATABASE_URL',
      { transient: false },
    );
  }
  return { uid: Number(entry[1]) >>> 0, gid: Number(entry[2]) >>> 0 };
}
