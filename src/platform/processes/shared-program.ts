import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#kernel/fault.ts';
import { endProcess } from './end-process.ts';
import { withFolderLock } from './folder-lock.ts';
import { keepRunning, type ServerReport } from './keep-running.ts';
import { type Launch, launchProgram, type StartedProgram } from './launch-program.ts';
import { countParticipants, joinParticipants } from './participants.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import {
  findRunning,
  findUnnoted,
  loadIdentity,
  type ProgramFolder,
  type ProgramIdentity,
  prepareProgramFolder,
} from './program-folder.ts';

/**
 * A program of ours that all processes on one folder share, a process of its own: there as long as one of them is.
 *
 * H1: at most one runs on a folder; whoever comes later joins it. Starting, joining and stopping exclude each other
 *     (folder-lock.ts).
 * H2: the last one to close stops it, also when others were killed before they could close.
 * H3: one that outlived everybody is used by the next start, or replaced when it does not answer.
 * H4: one that ends while it is used is started again, on no other port.
 * H5: one that is silent while others use it is left alone: it may have been told to be.
 */
export interface SharedProgram {
  readonly port: number;
  readonly secrets: Readonly<Record<string, string>>;
  /** Whether it was running already. */
  readonly joined: boolean;
  /** Stops it if nobody else uses it. A second call does nothing. */
  close(): Promise<void>;
}

export interface SharedProgramOptions extends Pick<Launch, 'script'> {
  readonly folder: string;
  readonly makeSecrets: () => Readonly<Record<string, string>>;
  /** Of whom the program is to know, a line. */
  readonly note: string;
  readonly commandFor: (port: number, place: ProgramPlace) => ReturnType<Launch['commandFor']>;
  readonly isReady: (port: number, place: ProgramPlace) => Promise<boolean>;
  readonly report: ServerReport;
}

export interface ProgramPlace {
  readonly program: ProgramFolder;
  readonly secrets: Readonly<Record<string, string>>;
}

/** A start of another process, with the reading of a long book, may be under way. */
const LOCK_TIMEOUT_MS = 180_000;
/** One that is well answers in milliseconds. */
const ANSWER_MS = 3000;
const ASK_EVERY_MS = 50;

interface Running extends StartedProgram {
  readonly joined: boolean;
}

export async function openSharedProgram(options: SharedProgramOptions): Promise<SharedProgram> {
  const program = prepareProgramFolder(options.folder);
  return withFolderLock(program.lock, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
    // H1
    const running = await findOrLaunch(program, options);
    const participant = joinParticipants(program.participants, options.note);
    const user = new ProgramUser(program, options, running);
    return {
      port: running.port,
      secrets: running.secrets,
      joined: running.joined,
      close: once(() => user.leave(participant)),
    };
  });
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= close();
    return closing;
  };
}

/** What one process knows of the program that it uses. */
class ProgramUser {
  readonly #program: ProgramFolder;
  readonly #options: SharedProgramOptions;
  readonly #port: number;
  readonly #keeper: { stop(): Promise<void> };
  #known: ProcessIdentity;

  constructor(program: ProgramFolder, options: SharedProgramOptions, running: Running) {
    this.#program = program;
    this.#options = options;
    this.#port = running.port;
    this.#known = running.process;
    this.#keeper = keepRunning({
      isRunning: () => this.#isRunning(),
      restart: () => this.#restart(),
      report: options.report,
    });
  }

  async leave(participant: { leave(): void }): Promise<void> {
    await this.#keeper.stop(); // K2
    if (!existsSync(this.#program.folder)) return endProcess(this.#known); // deleted under us: others are not to be known
    await withFolderLock(this.#program.lock, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
      participant.leave();
      const running = findRunning(this.#program);
      if (running !== undefined && countParticipants(this.#program.participants) === 0)
        await endProcess(running); // H2
    });
  }

  /** Another process may have started it again. */
  #isRunning(): boolean {
    if (isAlive(this.#known)) return true;
    const found = findRunning(this.#program);
    this.#known = found ?? this.#known;
    return found !== undefined;
  }

  /** H4 */
  async #restart(): Promise<void> {
    if (!existsSync(this.#program.folder))
      throw new Fault(`${this.#program.folder} is gone`, { transient: true });
    await withFolderLock(this.#program.lock, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
      const running = await findOrLaunch(this.#program, this.#options);
      this.#known = running.process;
      if (running.port === this.#port) return;
      throw new Fault(
        `${this.#program.folder} listens on port ${running.port} now: start this process anew`,
        { transient: true },
      );
    });
  }
}

async function findOrLaunch(program: ProgramFolder, options: SharedProgramOptions): Promise<Running> {
  const identity = loadIdentity(program, options.makeSecrets);
  const place = { program, secrets: identity.secrets };
  const joined = await adopt(program, identity, (port) => options.isReady(port, place));
  if (joined !== undefined) return joined;
  const unnoted = findUnnoted(program);
  if (unnoted !== undefined) await endProcess(unnoted); // nobody has its address, and two must not write one book
  const started = await launchProgram({
    program,
    identity,
    script: options.script,
    commandFor: (port) => options.commandFor(port, place),
    isReady: (port) => options.isReady(port, place),
  });
  return { ...started, joined: false };
}

/** H3, H5. The process number with its start time says for sure that it is ours. */
async function adopt(
  program: ProgramFolder,
  identity: ProgramIdentity,
  isReady: (port: number) => Promise<boolean>,
): Promise<Running | undefined> {
  const { port, secrets } = identity;
  const process = findRunning(program);
  if (process === undefined || port === undefined) return undefined;
  const isUsed = countParticipants(program.participants) > 0;
  if (isUsed || (await isReadySoon(() => isReady(port)))) return { port, process, secrets, joined: true };
  await endProcess(process);
  return undefined;
}

async function isReadySoon(isReady: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + ANSWER_MS;
  while (performance.now() < deadline) {
    if (await isReady()) return true;
    await delay(ASK_EVERY_MS);
  }
  return false;
}
