import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort, isPortFree } from './free-port.ts';
import { makeFolders } from './make-folders.ts';
import { findProcess, isAlive, listProcesses, type ProcessIdentity } from './process-identity.ts';
import { replaceFile } from './replace-file.ts';

/**
 * What lies in the folder of a program that several processes use:
 *
 *     identity.json  its port, the process that runs it, and its secrets, made once; 0600
 *     log            its standard output and error; the one before in log.1
 *     lock/          tickets of the folder lock
 *     participants/  who uses the program
 */
export interface ProgramFolder {
  readonly folder: string;
  readonly log: string;
  readonly lock: string;
  readonly participants: string;
  /** The program's own. */
  readonly book: string;
}

export interface ProgramIdentity {
  /** It listened there last; undefined before the first start. */
  readonly port: number | undefined;
  /** Who ran it last, alive or not. */
  readonly process: ProcessIdentity | undefined;
  readonly secrets: Readonly<Record<string, string>>;
}

export function prepareProgramFolder(folder: string): ProgramFolder {
  makeFolders(folder);
  const inside = (name: string): string => join(folder, name);
  return {
    folder,
    log: inside('log'),
    lock: inside('lock'),
    participants: inside('participants'),
    book: inside('book.jsonl'),
  };
}

/** Under the folder lock. Secrets that are not there yet are made and kept. */
export function loadIdentity(
  program: ProgramFolder,
  makeSecrets: () => Readonly<Record<string, string>>,
): ProgramIdentity {
  const known = findIdentity(program);
  const secrets = { ...makeSecrets(), ...known?.secrets };
  const identity = { port: known?.port, process: known?.process, secrets };
  if (Object.keys(secrets).length > Object.keys(known?.secrets ?? {}).length) saveIdentity(program, identity);
  return identity;
}

export function findIdentity(program: ProgramFolder): ProgramIdentity | undefined {
  const path = identityPath(program);
  if (!existsSync(path)) return undefined;
  const kept = JSON.parse(readFileSync(path, 'utf8')) as KeptIdentity & Readonly<Record<string, string>>;
  const { port, pid, started_at, ...secrets } = kept;
  return {
    port: port ?? undefined,
    process: pid === null || started_at === null ? undefined : { pid, startedAt: started_at },
    secrets,
  };
}

export function saveIdentity(program: ProgramFolder, { port, process, secrets }: ProgramIdentity): void {
  const kept = { port: port ?? null, pid: process?.pid ?? null, started_at: process?.startedAt ?? null };
  replaceFile(identityPath(program), `${JSON.stringify({ ...kept, ...secrets }, null, 2)}\n`);
}

/** The process that runs the program now. */
export function findRunning(program: ProgramFolder): ProcessIdentity | undefined {
  const known = findIdentity(program)?.process;
  return known !== undefined && isAlive(known) ? known : undefined;
}

/**
 * One that was started by a process which was killed before it could note it. It has our user, and the book's path on its
 * command line.
 */
export function findUnnoted(program: ProgramFolder): ProcessIdentity | undefined {
  const isOurs = (uid: number): boolean => uid === process.getuid?.();
  const found = listProcesses().find(
    ({ pid, uid, command }) =>
      pid !== process.pid && isOurs(uid) && `${command} `.includes(` --book ${program.book} `),
  );
  return found === undefined ? undefined : findProcess(found.pid);
}

/** The port of last time if it is free, so that whoever knows it finds the program again; otherwise a free one. */
export async function chooseProgramPort(identity: ProgramIdentity): Promise<number> {
  const { port } = identity;
  return port !== undefined && (await isPortFree(port)) ? port : findFreePort();
}

function identityPath({ folder }: ProgramFolder): string {
  return join(folder, 'identity.json');
}

/** Secrets stand beside them. */
interface KeptIdentity {
  readonly port: number | null;
  readonly pid: number | null;
  readonly started_at: string | null;
}
