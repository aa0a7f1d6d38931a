import { spawn } from 'node:child_process';
import { Fault } from '#kernel/fault.ts';
import type { ServerUser } from './server-user.ts';

export interface ProgramResult {
  /** 0 is success; null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a PostgreSQL program to its end as the server's user. Only a program that could not be started at all
 * (no file, no permission, user not available in this container) throws.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  user: ServerUser,
): Promise<ProgramResult> {
  const child = spawn(program, args, { ...spawnOptions(user), stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) => reject(notStarted(program, user, cause)));
    child.on('close', resolve);
  });
  return { exitCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/**
 * A backend keeps what a batch has used (glibc; others take no notice). Otherwise each statement gives its memory back
 * and the next one gets it anew, page by page: 3 % of all time at saturation.
 */
const KEEP_MEMORY = {
  MALLOC_TOP_PAD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '67108864',
  MALLOC_MMAP_THRESHOLD_: '67108864',
};

/** The caller's folder may be closed to the server's user, and its PG* and locale variables would change what PostgreSQL does. */
export function spawnOptions(user: ServerUser): {
  cwd: string;
  env: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
} {
  const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...KEEP_MEMORY };
  return { cwd: '/', env, ...user.spawnAs };
}

export function notStarted(program: string, user: ServerUser, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Fault(`cannot run ${program} as user ${user.uid}: ${reason}`, { transient: false, cause });
}
