import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Fault } from '#kernel/fault.ts';
import { findFreePort, isPortFree } from '../../processes/free-port.ts';
import { countParticipants } from '../../processes/participants.ts';
import { followLog, rotateLog } from '../../processes/program-log.ts';
import { waitUntil } from '../../processes/wait-until.ts';
import type { Binaries } from './binaries.ts';
import { type DataFolder, findLastPort, savePort } from './data-folder.ts';
import { clusterName, endSurvivors, findPostmaster, removeStalePidFile } from './postmaster.ts';
import { notStarted, spawnOptions } from './run-program.ts';
import { chooseWalCompression, releaseOf, serverSettings } from './server-settings.ts';
import type { ServerUser } from './server-user.ts';

/** Another program can take the port between our question and PostgreSQL's; five times in a row is something else. */
const ATTEMPTS = 5;
/** After a crash it first repeats up to 8 GB of WAL. */
const READY_MS = 600_000;

export interface StartServerOptions {
  readonly data: DataFolder;
  readonly clusterFolder: string;
  readonly binaries: Binaries;
  readonly user: ServerUser;
  readonly onProgress: (message: string) => void;
}

/** @returns the port it listens on, once it accepts connections. Called under the folder lock, with no server running. */
export async function startServer(options: StartServerOptions): Promise<number> {
  removeStalePidFile(options.clusterFolder);
  await endSurvivors(options.clusterFolder);
  rotateLog(options.data.log);
  const walCompression = await chooseWalCompression(options.binaries, options.clusterFolder, options.user);
  const settings = {
    ...serverSettings({ release: releaseOf(options.clusterFolder), walCompression }),
    cluster_name: clusterName(options.clusterFolder),
  };
  const isPortFixed = countParticipants(options.data.participants) > 0; // E6
  let failure = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = await choosePort(options.data, { attempt, isPortFixed });
    const outcome = await attemptStart(options, { ...settings, port: String(port) });
    if (outcome === 'ready') {
      savePort(options.data, port);
      return port;
    }
    failure = outcome.stderr;
    if (!(await isCured(failure, options.clusterFolder))) break;
  }
  throw new Fault(`PostgreSQL did not start: ${failure || `see ${options.data.log}`}`, { transient: false });
}

/** The port of last time, so that a developer's open tools find it again; no other one if it is fixed. */
async function choosePort(
  data: DataFolder,
  { attempt, isPortFixed }: { readonly attempt: number; readonly isPortFixed: boolean },
): Promise<number> {
  const last = findLastPort(data);
  if (last === undefined || (attempt > 0 && !isPortFixed)) return findFreePort();
  if (await isPortFree(last)) return last;
  if (!isPortFixed) return findFreePort();
  throw new Fault(`port ${last}, where running processes look for PostgreSQL, is taken by another program`, {
    transient: true,
  });
}

/** Whether trying again helps: a port taken in the meantime, or a backend that outlived its server and is ended here. */
async function isCured(stderr: string, clusterFolder: string): Promise<boolean> {
  if (stderr.includes('Address already in use')) return true;
  if (!stderr.includes('pre-existing shared memory block')) return false;
  await endSurvivors(clusterFolder);
  return true;
}

async function attemptStart(
  options: StartServerOptions,
  settings: Readonly<Record<string, string>>,
): Promise<'ready' | { stderr: string }> {
  const log = followLog(options.data.log);
  const child = spawnServer(options, settings);
  let spawnError: unknown;
  child.once('error', (error) => {
    spawnError = error;
  });
  const isReady = () => findPostmaster(options.clusterFolder)?.status === 'ready';
  const hasEnded = () => spawnError !== undefined || child.exitCode !== null || child.signalCode !== null;
  await waitUntil(() => hasEnded() || isReady(), READY_MS);
  if (spawnError !== undefined) throw notStarted(options.binaries.postgres, options.user, spawnError);
  child.unref();
  return !hasEnded() && isReady() ? 'ready' : { stderr: log.excerpt() };
}

/**
 * In a session of its own (`detached`) with a log of its own: signals for our process group do not reach it, so it
 * serves us until we have finished, and other processes on the same data folder after us.
 */
function spawnServer(options: StartServerOptions, settings: Readonly<Record<string, string>>): ChildProcess {
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openSync(options.data.log, 'a', 0o600);
  try {
    return spawn(options.binaries.postgres, ['-D', options.clusterFolder, ...args], {
      ...spawnOptions(options.user),
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}
