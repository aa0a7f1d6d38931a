/** On what the figures were made: nothing in a report means anything without it. */
import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'pg';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly node: string;
  /** Median of a write of 8 KiB with fdatasync on the data folder's disk, ms; null with a database elsewhere. */
  readonly syncMs: number | null;
}

export interface Revision {
  /** `unknown` outside a git checkout. */
  readonly commit: string;
  /** Whether files differed from the commit. */
  readonly modified: boolean | null;
}

/** Settings without which two runs cannot be compared. */
const SETTINGS = [
  'server_version',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'shared_buffers',
  'max_wal_size',
  'wal_compression',
  'wal_buffers',
  'checkpoint_timeout',
  'wal_sync_method',
  'io_method',
  'autovacuum',
] as const;

const SYNC_PROBES = 50;
const PAGE_BYTES = 8192;

/** `dataDir`: where the database's files are; undefined when it is not on this machine. */
export function describeMachine(dataDir: string | undefined): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGib: Math.round((totalmem() / 1024 ** 3) * 10) / 10,
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    syncMs: dataDir === undefined ? null : measureSyncMs(dataDir),
  };
}

export function describeRevision(root: string): Revision {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return { commit: git('rev-parse', 'HEAD'), modified: git('status', '--porcelain') !== '' };
  } catch {
    return { commit: 'unknown', modified: null };
  }
}

/** A server older than a setting has no row for it. */
export async function describeDatabase(client: Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; value: string }>(
    `select name, current_setting(name) as value from pg_settings where name = any($1) order by name`,
    [SETTINGS],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

function measureSyncMs(folder: string): number {
  const path = join(folder, 'sync-probe');
  const file = openSync(path, 'w');
  try {
    const durations = Array.from({ length: SYNC_PROBES }, () => timeSync(file)).toSorted((a, b) => a - b);
    return durations[SYNC_PROBES / 2] ?? 0;
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

function timeSync(file: number): number {
  const startedAtMs = performance.now();
  writeSync(file, Buffer.alloc(PAGE_BYTES));
  fdatasyncSync(file);
  return performance.now() - startedAtMs;
}
