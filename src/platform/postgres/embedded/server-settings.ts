import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { runProgram } from './run-program.ts';
import type { ServerUser } from './server-user.ts';

const MIB = 1024 * 1024;

/** The release that brought `io_method`; an older server does not start with a setting that it does not know. */
const IO_METHOD_SINCE = 18;

/**
 * Every setting that is not PostgreSQL's default, given on the command line: a later version of the program then
 * changes them with the next start, and no file in the cluster is ours to keep.
 */
export function serverSettings({
  release,
  walCompression,
}: {
  /** 18 */
  readonly release: number;
  readonly walCompression: WalCompression;
}): Readonly<Record<string, string>> {
  return {
    // Durability: an answer is sent after its commit is on disk (DESIGN §2). Defaults, pinned so that no file can relax them.
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    // Reachable from this machine by TCP only: a socket file would need a folder both users may enter.
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // Several processes of ours, each with a hot pool, a back-office pool and listeners.
    max_connections: '200',
    // An eighth, not the usual quarter, and no more than 512 MB: the machine also runs the program, and the kernel caches the
    // rest. A buffer used for the first time costs more than one used again (measured: 1 GB, 7 % more of the server's time).
    shared_buffers: `${sharedBuffersMib()}MB`,
    // A random unique index writes a full page to the WAL for nearly every row after a checkpoint (4.4 KB a row, DESIGN §2):
    // few checkpoints, spread out, and compressed pages.
    max_wal_size: '8GB',
    min_wal_size: '1GB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    wal_compression: walCompression,
    ...crashRecovery(),
    // Filling each new segment with zeros holds up every commit for the time of 16 MB (measured: p99 of the answers 92 ms
    // instead of 71 at saturation). Segments are used again after the first checkpoints either way.
    wal_init_zero: 'off',
    // A batch's WAL fits, so that backends do not write it out themselves before the commit.
    wal_buffers: '64MB',
    // A deadlock costs its batch this long; every lock has one order (R3), so checking is rare.
    deadlock_timeout: '100ms',
    // Compiling a plan costs more than any of our short statements.
    jit: 'off',
    // The disks of today: with 4.0 the planner prefers sequential scans of warm tables.
    random_page_cost: '1.1',
    // Statements are planned once and by index; a tenth of the sample tells the lists enough. Sorting 30 000 texts of every
    // log each minute cost the server some 5 % of a payment at 3000 a second.
    default_statistics_target: '10',
    // Two clock readings a page for statistics nobody reads.
    track_io_timing: 'off',
    // The working set is cached; worker processes for reads compete for the cores with commits.
    ...(release >= IO_METHOD_SINCE ? { io_method: 'sync' } : {}),
    // Clients are told of their errors; the statement would bring customers' data into the log.
    log_min_error_statement: 'panic',
    log_timezone: 'UTC',
    timezone: 'UTC',
    lc_messages: 'C', // messages of the server are read by this program
  };
}

/**
 * After a crash the server first makes sure that its files are on disk: by one call for the whole file system, where the
 * system has it, instead of opening each of some 1500 files (measured on two busy cores, ten crashes each: 10 to 90 ms
 * instead of 0.6 to 4.5 s; intake back after 2.5 s instead of 3.6, at worst 4.1 s instead of 7.5). It also waits for what
 * other programs have not written out yet on that file system.
 */
function crashRecovery(): Readonly<Record<string, string>> {
  return process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {};
}

/** Which PostgreSQL made the cluster, and so runs it. */
export function releaseOf(clusterFolder: string): number {
  return Number(readFileSync(join(clusterFolder, 'PG_VERSION'), 'utf8'));
}

export type WalCompression = 'lz4' | 'pglz';

/** lz4 costs a tenth of pglz's CPU, but not every build has it (18.4.0-beta.17 for Linux does not). */
export async function chooseWalCompression(
  binaries: Binaries,
  clusterFolder: string,
  user: ServerUser,
): Promise<WalCompression> {
  const probe = ['-D', clusterFolder, '-c', 'wal_compression=lz4', '-C', 'wal_compression'];
  const { exitCode } = await runProgram(binaries.postgres, probe, user);
  return exitCode === 0 ? 'lz4' : 'pglz';
}

export function sharedBuffersMib(memoryBytes: number = availableMemoryBytes()): number {
  return Math.min(512, Math.max(128, Math.floor(memoryBytes / 8 / MIB)));
}

/** What a container grants, if it limits; Node says 0 or an absurd number when there is no limit. */
function availableMemoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
