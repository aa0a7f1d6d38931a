/** What Linux says about a process in /proc (proc(5)); elsewhere there is nothing, and the report says n/a. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ is 100 on every Linux that Node runs on; the C library knows it, Node does not tell. */
const US_PER_TICK = 10_000;
/** Fields of /proc/<pid>/stat, counted from the one after the command's closing parenthesis. */
const PARENT = 1;
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const REAPED_USER_TICKS = 13;
const REAPED_SYSTEM_TICKS = 14;

export interface ProcessTimes {
  readonly parentPid: number;
  /** User and system time, µs, in steps of 10 ms. */
  readonly cpuUs: number;
  /** Of its children that ended and were waited for. */
  readonly reapedCpuUs: number;
}

/** `stat` as the kernel prints it. The command may contain spaces and parentheses; the last one ends it. */
export function parseStat(stat: string): ProcessTimes {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (index: number) => Number(fields[index]) * US_PER_TICK;
  return {
    parentPid: Number(fields[PARENT]),
    cpuUs: ticks(USER_TICKS) + ticks(SYSTEM_TICKS),
    reapedCpuUs: ticks(REAPED_USER_TICKS) + ticks(REAPED_SYSTEM_TICKS),
  };
}

/** A size in bytes from /proc/<pid>/status (`VmRSS:	  1234 kB`); 0 when the process has no such line. */
export function parseStatusBytes(status: string, field: string): number {
  const line = status.split('\n').find((candidate) => candidate.startsWith(`${field}:`));
  return line === undefined ? 0 : Number.parseInt(line.slice(field.length + 1), 10) * 1024;
}

/** Undefined when there is no such process, any more or at all. */
export function findProcFile(pid: number, name: 'stat' | 'status'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined; // it ended meanwhile, or this is not Linux
  }
}

export function listPids(): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid));
  } catch {
    return []; // not Linux
  }
}
