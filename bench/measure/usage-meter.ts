/** CPU and memory of the processes under load, between two moments. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProcFile, listPids, parseStat, parseStatusBytes } from './proc-files.ts';

/** Null: not known here. */
export interface Usage {
  readonly nodeCpuUs: number | null;
  /** The server and all its backends and helpers, those that ended meanwhile too. */
  readonly postgresCpuUs: number | null;
  /** The sandbox's payment providers together: outside the product, on the same machine. Null where none runs. */
  readonly providersCpuUs: number | null;
  /** Highest resident size seen of the server process. */
  readonly nodePeakRssBytes: number | null;
  /** Highest seen of PostgreSQL: what each process has for itself, and the shared memory once. */
  readonly postgresPeakRssBytes: number | null;
}

export interface MeteredPids {
  readonly node: number;
  readonly postmaster: number | undefined;
  readonly providers: readonly number[];
}

const MEMORY_EVERY_MS = 500;

interface Reading {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** The postmaster's pid on the data folder of an embedded server; undefined if it is not there. */
export function findPostmasterPid(dataDir: string): number | undefined {
  try {
    const [pid] = readFileSync(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n');
    return Number(pid);
  } catch {
    return undefined; // the database is a server of the user's own
  }
}

/** Between `start` and `stop`; in between it looks at the memory of the moment, or a peak would be one of its ends. */
export class UsageMeter {
  readonly #pids: MeteredPids;
  #nodeStart: Reading | undefined;
  #postgresStart: Reading | undefined;
  #providersStart: Reading | undefined;
  #nodePeak = 0;
  #postgresPeak = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(pids: MeteredPids) {
    this.#pids = pids;
  }

  start(): void {
    this.#nodeStart = readProcess(this.#pids.node);
    this.#postgresStart = readPostgres(this.#pids.postmaster);
    this.#providersStart = readTogether(this.#pids.providers);
    this.#nodePeak = 0;
    this.#postgresPeak = 0;
    this.#sample();
    clearInterval(this.#looking);
    this.#looking = setInterval(() => this.#sample(), MEMORY_EVERY_MS).unref();
  }

  #sample(): void {
    this.#nodePeak = Math.max(this.#nodePeak, readProcess(this.#pids.node)?.rssBytes ?? 0);
    this.#postgresPeak = Math.max(this.#postgresPeak, readPostgres(this.#pids.postmaster)?.rssBytes ?? 0);
  }

  stop(): Usage {
    clearInterval(this.#looking);
    this.#sample();
    return {
      nodeCpuUs: difference(this.#nodeStart, readProcess(this.#pids.node)),
      postgresCpuUs: difference(this.#postgresStart, readPostgres(this.#pids.postmaster)),
      providersCpuUs: difference(this.#providersStart, readTogether(this.#pids.providers)),
      nodePeakRssBytes: this.#nodePeak > 0 ? this.#nodePeak : null,
      postgresPeakRssBytes: this.#postgresPeak > 0 ? this.#postgresPeak : null,
    };
  }
}

function difference(before: Reading | undefined, after: Reading | undefined): number | null {
  return before === undefined || after === undefined ? null : after.cpuUs - before.cpuUs;
}

function readProcess(pid: number): Reading | undefined {
  const stat = findProcFile(pid, 'stat');
  const status = findProcFile(pid, 'status');
  if (stat === undefined || status === undefined) return undefined;
  return { cpuUs: parseStat(stat).cpuUs, rssBytes: parseStatusBytes(status, 'VmRSS') };
}

/** Undefined if there are none, or one has ended. */
function readTogether(pids: readonly number[]): Reading | undefined {
  const readings = pids.map(readProcess).filter((reading) => reading !== undefined);
  if (pids.length === 0 || readings.length < pids.length) return undefined;
  return {
    cpuUs: readings.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
    rssBytes: readings.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  };
}

/** A backend's time moves to the postmaster's `reaped` when it ends, so the sum never goes back. */
function readPostgres(postmaster: number | undefined): Reading | undefined {
  const stat = postmaster === undefined ? undefined : findProcFile(postmaster, 'stat');
  if (postmaster === undefined || stat === undefined) return undefined;
  const { cpuUs, reapedCpuUs } = parseStat(stat);
  let total = cpuUs + reapedCpuUs;
  let ownBytes = 0;
  let sharedBytes = 0;
  for (const pid of [postmaster, ...listPids()]) {
    const times = statOf(pid);
    if (times === undefined || (pid !== postmaster && times.parentPid !== postmaster)) continue;
    const status = findProcFile(pid, 'status') ?? '';
    if (pid !== postmaster) total += times.cpuUs;
    ownBytes += parseStatusBytes(status, 'RssAnon');
    sharedBytes = Math.max(sharedBytes, parseStatusBytes(status, 'RssShmem'));
  }
  return { cpuUs: total, rssBytes: ownBytes + sharedBytes };
}

function statOf(pid: number) {
  const stat = findProcFile(pid, 'stat');
  return stat === undefined ? undefined : parseStat(stat);
}
