import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';

/**
 * A process, safe against the reuse of process numbers: the number alone says little after a restart of the
 * machine or in a container, where numbers are small and come back; the start time beside it makes it unique.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** When the process began, in the system's own words; compared, never calculated with. Only `[A-Za-z0-9.]`. */
  readonly startedAt: string;
}

export interface RunningProcess {
  readonly pid: number;
  readonly uid: number;
  /** The command line, arguments separated by spaces; for a PostgreSQL backend its process title. */
  readonly command: string;
}

/** Undefined when there is no such process. One that has ended and was not reaped yet counts as none. */
export function findProcess(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === 'linux' ? startedAtLinux(pid) : startedAtPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** What runs under this number, undefined when nothing does. */
export function describeProcess(pid: number): RunningProcess | undefined {
  if (process.platform === 'linux') return describeLinux(pid);
  return parsePs(runPs(['-ww', '-o', 'pid=,uid=,command=', '-p', String(pid)]))[0];
}

export function ownIdentity(): ProcessIdentity {
  const identity = findProcess(process.pid);
  if (identity === undefined) throw new Error('the system does not list the running process');
  return identity;
}

export function isAlive(identity: ProcessIdentity): boolean {
  return findProcess(identity.pid)?.startedAt === identity.startedAt;
}

/** `1234-567.abc`, fit for a file name; read back by `parseIdentity`. */
export function renderIdentity({ pid, startedAt }: ProcessIdentity): string {
  return `${pid}-${startedAt}`;
}

export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d+)-([A-Za-z0-9.]+)$/.exec(text);
  return match?.[1] && match[2] ? { pid: Number(match[1]), startedAt: match[2] } : undefined;
}

/** Every process this user may see. Reads only what is open to all: `/proc/<pid>/cwd` is not, even to root in a container. */
export function listProcesses(): RunningProcess[] {
  return process.platform === 'linux' ? listLinux() : listPs();
}

/** Fields of /proc/<pid>/stat after the command, which may itself hold spaces and brackets: state is 0, starttime 19 (proc(5)). */
function startedAtLinux(pid: number): string | undefined {
  const stat = readProcFile(pid, 'stat');
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return `${fields[19]}.${bootId()}`;
}

function startedAtPs(pid: number): string | undefined {
  const line = runPs(['-o', 'stat=,lstart=', '-p', String(pid)]).trim();
  if (line === '' || line.startsWith('Z')) return undefined;
  return String(Date.parse(line.replace(/^\S+\s+/, '')));
}

let cachedBootId: string | undefined;

function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  return cachedBootId;
}

function readProcFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined; // the process ended: every reason not to read it means that to us
  }
}

function listLinux(): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => describeLinux(Number(name)) ?? []);
}

/** A process that has ended and was not reaped has no command line any more. */
function describeLinux(pid: number): RunningProcess | undefined {
  const command = readProcFile(pid, 'cmdline')?.replaceAll('\0', ' ').trim();
  const uid = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
  return command && uid !== undefined ? { pid, uid, command } : undefined;
}

function listPs(): RunningProcess[] {
  return parsePs(runPs(['-axww', '-o', 'pid=,uid=,command=']));
}

function parsePs(output: string): RunningProcess[] {
  return output.split('\n').flatMap((line) => {
    const [, pid, uid, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid && uid && command ? [{ pid: Number(pid), uid: Number(uid), command }] : [];
  });
}

function runPs(args: string[]): string {
  try {
    return execFileSync('ps', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  } catch {
    return ''; // ps exits with 1 when no process matches
  }
}
