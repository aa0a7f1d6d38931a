import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import {
  describeProcess,
  findProcess,
  isAlive,
  listProcesses,
  type ProcessIdentity,
  type RunningProcess,
} from '../../processes/process-identity.ts';
import { waitUntil } from '../../processes/wait-until.ts';

/** The server process of one cluster, and what it says about itself in `postmaster.pid`. */
export interface Postmaster {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly status: 'starting' | 'ready' | 'stopping';
}

/** A checkpoint of 1 GB of dirty pages takes a while on a slow disk. */
const FAST_STOP_MS = 60_000;
const IMMEDIATE_STOP_MS = 10_000;
const TERMINATE_BACKEND_MS = 2_000;

/**
 * Marks all processes of one cluster: it is in the server's arguments and in the title of each of its backends, both
 * open to all to read. The folder's own number stays the same when a folder above it is renamed.
 */
export function clusterName(clusterFolder: string): string {
  const { dev, ino } = statSync(clusterFolder);
  return `lastro-${dev}-${ino}`;
}

/** Undefined when no server works on this cluster, whatever `postmaster.pid` says: its number may be another process by now. */
export function findPostmaster(clusterFolder: string): Postmaster | undefined {
  const lines = readPidFile(clusterFolder);
  const running = describePid(lines[0]);
  if (running === undefined || !isServerOf(clusterFolder, running)) return undefined;
  const identity = findProcess(running.pid);
  return identity && { identity, port: Number(lines[3]), status: parseStatus(lines[7]) };
}

/**
 * PostgreSQL believes a stale file when its number has been given to another process. A PostgreSQL that is not of
 * our making is left to its own check: two servers on one cluster would destroy it.
 */
export function removeStalePidFile(clusterFolder: string): void {
  const { command } = describePid(readPidFile(clusterFolder)[0]) ?? { command: '' };
  const mayBeServer = command.includes('postgres') && !command.includes('cluster_name=lastro-');
  if (!mayBeServer && findPostmaster(clusterFolder) === undefined) {
    rmSync(join(clusterFolder, 'postmaster.pid'), { force: true });
  }
}

/** Fast shutdown: ends the sessions, writes a checkpoint. Harder ways follow when it does not come to an end. */
export async function stopPostmaster(clusterFolder: string, { identity }: Postmaster): Promise<void> {
  const ended = () => !isAlive(identity);
  signal(identity.pid, 'SIGCONT');
  signal(identity.pid, 'SIGINT');
  if (await waitUntil(ended, FAST_STOP_MS)) return;
  signal(identity.pid, 'SIGQUIT');
  if (await waitUntil(ended, IMMEDIATE_STOP_MS)) return;
  signal(identity.pid, 'SIGKILL');
  await waitUntil(ended, IMMEDIATE_STOP_MS);
  await endSurvivors(clusterFolder);
}

/**
 * Backends notice the death of their server only when they wait for something: one that computes goes on, holding
 * the shared memory, and no new server starts beside it ("pre-existing shared memory block").
 */
export async function endSurvivors(clusterFolder: string): Promise<void> {
  const survivors = () => listClusterPids(clusterFolder);
  if (survivors().length === 0) return;
  for (const name of ['SIGTERM', 'SIGQUIT', 'SIGKILL'] as const) {
    for (const pid of survivors()) signal(pid, name);
    if (await waitUntil(() => survivors().length === 0, TERMINATE_BACKEND_MS)) return;
  }
  throw new Fault(
    `processes ${survivors().join(', ')} of an earlier PostgreSQL on ${clusterFolder} do not end`,
    {
      transient: true,
    },
  );
}

/** Line by line: pid, folder, start time, port, socket folder, address, shared memory key, status (PostgreSQL: miscadmin.h). */
function readPidFile(clusterFolder: string): string[] {
  try {
    return readFileSync(join(clusterFolder, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return []; // not running
  }
}

function parseStatus(line: string | undefined): Postmaster['status'] {
  const word = line?.trim();
  return word === 'ready' || word === 'stopping' ? word : 'starting';
}

function describePid(line: string | undefined): RunningProcess | undefined {
  const pid = Number(line);
  return Number.isInteger(pid) && pid > 0 ? describeProcess(pid) : undefined;
}

/** Anybody can name a process like ours; only the cluster's owner can be its server. */
function isServerOf(clusterFolder: string, { uid, command }: RunningProcess): boolean {
  const marks = [` cluster_name=${clusterName(clusterFolder)} `, ` -D ${clusterFolder} `];
  return uid === statSync(clusterFolder).uid && marks.some((mark) => `${command} `.includes(mark));
}

function isBackendOf(clusterFolder: string, { uid, command }: RunningProcess): boolean {
  return (
    uid === statSync(clusterFolder).uid && command.startsWith(`postgres: ${clusterName(clusterFolder)}: `)
  );
}

function listClusterPids(clusterFolder: string): number[] {
  return listProcesses()
    .filter((running) => isServerOf(clusterFolder, running) || isBackendOf(clusterFolder, running))
    .map(({ pid }) => pid);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // ended meanwhile: what we want
  }
}
