import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Fault } from '#kernel/fault.ts';
import { isPortFree } from './free-port.ts';
import { countParticipants } from './participants.ts';
import { findProcess, type ProcessIdentity } from './process-identity.ts';
import {
  chooseProgramPort,
  type ProgramFolder,
  type ProgramIdentity,
  saveIdentity,
} from './program-folder.ts';
import { followLog, rotateLog } from './program-log.ts';
import { waitUntil } from './wait-until.ts';

/** Another program can take the port between our question and the program's; five times in a row is something else. */
const ATTEMPTS = 5;
/** It reads its whole book first. */
const READY_MS = 120_000;

export interface Launch {
  readonly program: ProgramFolder;
  readonly identity: ProgramIdentity;
  /** By its own path, run by this Node. */
  readonly script: string;
  readonly commandFor: (port: number) => ProgramCommand;
  /** Whether what listens on the port is the program. */
  readonly isReady: (port: number) => Promise<boolean>;
}

export interface ProgramCommand {
  /** `--book <the folder's book>` has to be among them: an orphan is found by it. */
  readonly args: readonly string[];
  /** Its whole environment: secrets belong here, since everybody sees a command line. */
  readonly env: Readonly<Record<string, string>>;
}

export interface StartedProgram extends ProgramIdentity {
  readonly port: number;
  readonly process: ProcessIdentity;
}

/** Under the folder lock, with none running. @returns who runs, once it is ready */
export async function launchProgram(launch: Launch): Promise<StartedProgram> {
  rotateLog(launch.program.log);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = await choosePort(launch);
    const outcome = await attemptStart(launch, port);
    if ('process' in outcome) return outcome;
    if (!outcome.stderr.includes('EADDRINUSE')) throw notStarted(launch, outcome.stderr);
  }
  throw notStarted(launch, `found no free port in ${ATTEMPTS} attempts`);
}

/** While somebody uses the program, what they were told of its address has to stay true. */
async function choosePort({ program, identity }: Launch): Promise<number> {
  const { port } = identity;
  if (port === undefined || countParticipants(program.participants) === 0) return chooseProgramPort(identity);
  if (await isPortFree(port)) return port;
  throw new Fault(
    `port ${port}, where running processes look for ${program.folder}, is taken by another program`,
    {
      transient: true,
    },
  );
}

async function attemptStart(
  launch: Launch,
  port: number,
): Promise<StartedProgram | { readonly stderr: string }> {
  const log = followLog(launch.program.log);
  const child = spawnProgram(launch, port);
  const process = child.pid === undefined ? undefined : findProcess(child.pid);
  if (process === undefined) return { stderr: log.excerpt() };
  const started = { secrets: launch.identity.secrets, port, process };
  saveIdentity(launch.program, started);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const isReady = await waitForReady(launch, port, hasEnded);
  child.unref();
  return isReady ? started : { stderr: log.excerpt() };
}

async function waitForReady(launch: Launch, port: number, hasEnded: () => boolean): Promise<boolean> {
  const deadline = performance.now() + READY_MS;
  while (!hasEnded() && performance.now() < deadline) {
    if (await launch.isReady(port)) return !hasEnded();
    await waitUntil(hasEnded, 20);
  }
  return false;
}

/** In a session of its own with a log of its own: a signal for our process group is not for it, which serves others too. */
function spawnProgram({ program, script, commandFor }: Launch, port: number): ChildProcess {
  const { args, env } = commandFor(port);
  const log = openSync(program.log, 'a', 0o600);
  try {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: '/',
      env: { ...env },
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.on('error', () => undefined); // it then has no pid, which is what is looked at
    return child;
  } finally {
    closeSync(log);
  }
}

function notStarted({ program, script }: Launch, reason: string): Fault {
  return new Fault(`${script} did not start: ${reason === '' ? `see ${program.log}` : reason}`, {
    transient: false,
  });
}
