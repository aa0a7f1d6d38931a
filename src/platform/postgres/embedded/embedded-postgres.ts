import { existsSync, realpathSync } from 'node:fs';
import { Fault } from '#kernel/fault.ts';
import { withFolderLock } from '../../processes/folder-lock.ts';
import { keepRunning, type ServerReport } from '../../processes/keep-running.ts';
import { countParticipants, joinParticipants } from '../../processes/participants.ts';
import { isAlive, type ProcessIdentity } from '../../processes/process-identity.ts';
import { waitUntil } from '../../processes/wait-until.ts';
import { type Binaries, prepareBinaries } from './binaries.ts';
import { createCluster } from './create-cluster.ts';
import { type DataFolder, findCluster, loadPassword, prepareDataFolder } from './data-folder.ts';
import { ensureDatabase } from './ensure-database.ts';
import { findPostmaster, type Postmaster, stopPostmaster } from './postmaster.ts';
import { chooseServerUser, findClosedFolder, type ServerUser } from './server-user.ts';
import { startServer } from './start-server.ts';

/**
 * A real PostgreSQL server for development and for a single machine, from binaries in npm, shared by all processes
 * that open the same data folder. It refuses to serve other machines and to run as root.
 *
 * E1: at most one server runs on a data folder; whoever comes later joins it.
 * E2: the last one to close stops the server, also when others were killed before they could close.
 * E3: a server that outlived everybody is adopted by the next start, or stopped when it does not answer.
 * E4: starting, joining and stopping exclude each other (folder-lock.ts).
 * E5: the cluster is complete or not there; nothing here ever deletes one.
 * E6: while somebody uses the server, it is started again on no other port: the URLs that were given out stay good.
 * E7: who keeps the server running starts it on the cluster that it knew, and makes no other.
 */
export interface EmbeddedPostgres {
  /** `postgres://lastro:…@127.0.0.1:<port>/lastro`, a superuser. */
  readonly url: string;
  /** Whether the server was running already. */
  readonly joined: boolean;
  /** Stops the server if nobody else uses it. A second call does nothing. */
  close(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Made when missing. PostgreSQL's part is `<dataDir>/postgres`, described in data-folder.ts. */
  readonly dataDir: string;
  /** Told, in a few words each, what takes long enough to be noticed. */
  readonly onProgress?: (message: string) => void;
  /** If given, a server that ends before `close` is started again, whoever stopped it (keep-running.ts). */
  readonly keepRunning?: ServerReport;
  /** Replaces `/var/lib/lastro` (create-cluster.ts). */
  readonly sharedFolder?: string;
}

/** A first start of another process, at worst a repeat of 8 GB of WAL, may be under way. */
const LOCK_TIMEOUT_MS = 600_000;
/** A healthy server answers in milliseconds, one that is busy starting says so in `postmaster.pid`. */
const READY_MS = 600_000;
const STOPPING_MS = 60_000;

export async function openEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const data = prepareDataFolder(options.dataDir);
  return withFolderLock(data.lock, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
    // E4
    const password = loadPassword(data);
    const running = await adoptServer(data, password);
    const url = running ?? (await launchServer(data, password, options));
    const participant = joinParticipants(data.participants);
    const keeper = options.keepRunning && keepServer(data, { url, password, report: options.keepRunning });
    const close = async () => {
      await keeper?.stop(); // K2
      await leaveServer(data, participant);
    };
    return { url, joined: running !== undefined, close: once(close) };
  });
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= close();
    return closing;
  };
}

interface UsedServer {
  readonly url: string;
  readonly password: string;
  readonly report: ServerReport;
}

function keepServer(data: DataFolder, { url, password, report }: UsedServer): { stop(): Promise<void> } {
  let known: ProcessIdentity | undefined;
  const isRunning = () => {
    if (known === undefined || !isAlive(known)) known = findServer(data)?.identity;
    return known !== undefined;
  };
  return keepRunning({ isRunning, restart: () => restartServer(data, url, password), report });
}

/** Undefined also when the cluster is out of reach. */
function findServer(data: DataFolder): Postmaster | undefined {
  return existsSync(data.cluster) ? findPostmaster(realpathSync(data.cluster)) : undefined;
}

async function restartServer(data: DataFolder, url: string, password: string): Promise<void> {
  if (!existsSync(data.cluster)) throw new Fault(`${data.cluster} is gone`, { transient: true }); // E7
  await withFolderLock(data.lock, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
    // E4
    const running = (await adoptServer(data, password)) ?? (await launchServer(data, password, {}));
    if (running === url) return;
    throw new Fault(
      `PostgreSQL on ${data.folder} listens on port ${new URL(running).port} now: start this process anew`,
      { transient: true },
    );
  });
}

async function leaveServer(data: DataFolder, participant: { leave(): void }): Promise<void> {
  if (!existsSync(data.folder)) return; // the data folder was deleted under us: nothing to stop by
  await withFolderLock(data.lock, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
    participant.leave();
    await stopIfUnused(data); // E2
  });
}

async function stopIfUnused(data: DataFolder): Promise<void> {
  const cluster = findCluster(data);
  const postmaster = cluster === undefined ? undefined : findPostmaster(cluster);
  if (cluster === undefined || postmaster === undefined) return;
  if (countParticipants(data.participants) === 0) await stopPostmaster(cluster, postmaster);
}

/** E1, E3: the URL of the server that is running, undefined when there is none (any more). */
async function adoptServer(data: DataFolder, password: string): Promise<string | undefined> {
  const cluster = findCluster(data);
  const found = cluster === undefined ? undefined : findPostmaster(cluster);
  if (cluster === undefined || found === undefined) return undefined;
  const ready = await waitForReady(cluster, found);
  if (ready === undefined) return undefined;
  const url = databaseUrl(ready.port, password);
  try {
    await ensureDatabase(url);
    return url;
  } catch (cause) {
    if (countParticipants(data.participants) > 0) throw notAnswering(data, ready, cause);
    await stopPostmaster(cluster, ready);
    return undefined;
  }
}

async function waitForReady(cluster: string, found: Postmaster): Promise<Postmaster | undefined> {
  const isGone = () => !isAlive(found.identity);
  const status = () => findPostmaster(cluster)?.status;
  await waitUntil(() => isGone() || status() !== 'starting', READY_MS);
  if (status() === 'stopping') await waitUntil(isGone, STOPPING_MS);
  return findPostmaster(cluster);
}

function notAnswering(data: DataFolder, { identity }: Postmaster, cause: unknown): Fault {
  return new Fault(
    `PostgreSQL (process ${identity.pid}) on ${data.folder} does not answer although other processes use it: see ${data.log}`,
    { transient: true, cause },
  );
}

async function launchServer(
  data: DataFolder,
  password: string,
  options: Omit<EmbeddedPostgresOptions, 'dataDir'>,
): Promise<string> {
  const onProgress = options.onProgress ?? (() => undefined);
  const user = chooseServerUser(findCluster(data));
  const binaries = await prepareBinaries({ user, onProgress });
  const clusterFolder =
    findCluster(data) ?? (await makeCluster(data, password, { ...options, onProgress, user, binaries }));
  refuseUnreachable(clusterFolder, user);
  onProgress('starting PostgreSQL');
  const port = await startServer({ data, clusterFolder, binaries, user, onProgress });
  const url = databaseUrl(port, password);
  try {
    await ensureDatabase(url);
    return url;
  } catch (error) {
    await stopIfUnused(data); // nobody would come to stop it
    throw error;
  }
}

interface MakeClusterOptions extends Omit<EmbeddedPostgresOptions, 'dataDir' | 'onProgress'> {
  readonly onProgress: (message: string) => void;
  readonly user: ServerUser;
  readonly binaries: Binaries;
}

async function makeCluster(data: DataFolder, password: string, options: MakeClusterOptions): Promise<string> {
  options.onProgress('creating the database');
  await createCluster({ data, password, ...options });
  const cluster = findCluster(data);
  if (cluster === undefined)
    throw new Fault(`${data.cluster} vanished while it was made`, { transient: false });
  return cluster;
}

/** A cluster that was reachable when it was made may have been moved, or belong to somebody else. */
function refuseUnreachable(clusterFolder: string, user: ServerUser): void {
  const closed = findClosedFolder(clusterFolder, user);
  if (closed === undefined) return;
  throw new Fault(`user ${user.uid}, who must run PostgreSQL on ${clusterFolder}, cannot enter ${closed}`, {
    transient: false,
  });
}

function databaseUrl(port: number, password: string): string {
  return `postgres://lastro:${password}@127.0.0.1:${port}/lastro`;
}
