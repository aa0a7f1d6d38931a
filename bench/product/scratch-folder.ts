/** The data folder of a run: made beside the results, on the disk that the project is on, and removed after it. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findPostmasterPid } from '../measure/usage-meter.ts';

const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** In the system's temporary folder it could be memory, where fsync costs nothing. */
export function makeScratchFolder(resultsDir: string, name: string): string {
  const folder = join(resultsDir, `data-${name}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The database's files may lie elsewhere, with a link to them: where the server's user could not enter this folder. */
export function removeScratchFolder(folder: string): void {
  const cluster = join(folder, 'postgres/cluster');
  const isLink = lstatSync(cluster, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  const place = isLink ? readlinkSync(cluster) : undefined;
  if (place !== undefined && basename(place).startsWith('postgres-'))
    rmSync(place, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
}

/** The product stops its database with itself, unless it was killed: then it is stopped here, by a fast shutdown. */
export async function stopOrphanedServer(folder: string): Promise<void> {
  const pid = findPostmasterPid(folder);
  if (pid === undefined || !isServerOf(folder, pid)) return;
  process.kill(pid, 'SIGINT');
  const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
  while (isServerOf(folder, pid) && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** `postmaster.pid` outlives its process, and the number may have been given to another. */
function isServerOf(folder: string, pid: number): boolean {
  const cluster = join(folder, 'postgres/cluster');
  if (!existsSync(cluster)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(realpathSync(cluster));
  } catch {
    return false; // it has ended
  }
}
