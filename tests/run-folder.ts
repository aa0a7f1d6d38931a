/**
 * The folder of a run of tests that starts a PostgreSQL, for its data: `<temporary folder>/lastro-tests-<the run>`. The name
 * tells whose it is, so that a later run finds what one that was killed has left.
 */
import {
  chmodSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endSurvivors, findPostmaster, stopPostmaster } from '#platform/postgres/embedded/postmaster.ts';
import { isAlive, ownIdentity, parseIdentity, renderIdentity } from '#platform/processes/process-identity.ts';

const PREFIX = 'lastro-tests-';

/** The same one for all that ask in this process. */
export async function openRunFolder(): Promise<string> {
  await removeAbandoned();
  const folder = join(tmpdir(), `${PREFIX}${renderIdentity(ownIdentity())}`);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o711); // root's PostgreSQL runs as nobody
  return folder;
}

/** For so many servers: the folder itself, and others in it. */
export function dataFolders(folder: string, count: number): string[] {
  const others = Array.from({ length: count - 1 }, (_, index) => join(folder, `server-${index + 2}`));
  for (const other of others) {
    mkdirSync(other, { recursive: true });
    chmodSync(other, 0o711);
  }
  return [folder, ...others];
}

/** Whether a server still runs on it. */
export function isServed(folder: string): boolean {
  return clusterLinks(folder).some((link) => existsSync(join(link, 'postmaster.pid')));
}

/** With the servers on it, if any still run. */
export async function removeRunFolder(folder: string): Promise<void> {
  for (const link of clusterLinks(folder)) await removeCluster(realpathSync(link));
  rmSync(folder, { recursive: true, force: true });
}

function clusterLinks(folder: string): string[] {
  return globSync(['postgres/cluster', 'server-*/postgres/cluster'], { cwd: folder }).map((link) =>
    join(folder, link),
  );
}

/** It lies elsewhere if PostgreSQL's user cannot enter the temporary folder. */
async function removeCluster(cluster: string): Promise<void> {
  const postmaster = findPostmaster(cluster);
  if (postmaster !== undefined) await stopPostmaster(cluster, postmaster);
  await endSurvivors(cluster);
  rmSync(cluster, { recursive: true, force: true });
}

/** Of runs that were killed: their servers go on until somebody stops them. */
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const run = parseIdentity(name.slice(PREFIX.length));
    const folder = join(tmpdir(), name);
    if (run !== undefined && !isAlive(run) && isOurs(folder)) await removeRunFolder(folder);
  }
}

/** What others put into the temporary folder may lead anywhere. Gone, if another run was faster. */
function isOurs(folder: string): boolean {
  return lstatSync(folder, { throwIfNoEntry: false })?.uid === process.getuid?.();
}
