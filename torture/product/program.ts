/** A program that is started, killed, stopped and started again, always with the same settings; what it says goes to a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ProgramOptions {
  readonly name: string;
  /** Of the checkout. */
  readonly root: string;
  /** Of the `lastro` command. */
  readonly args: readonly string[];
  /** LASTRO_ variables; those of our own environment are not handed on. */
  readonly settings: Readonly<Record<string, string>>;
  /** What it prints to standard error when it takes requests. */
  readonly ready: RegExp;
  readonly logPath: string;
  /** It took requests, nobody had asked it to end, and it did. */
  readonly onUnasked: (what: string) => void;
}

/** On a machine that others use as well, with PostgreSQL repeating its log. */
const READY_WITHIN_MS = 60_000;
/** Finishing what is in flight takes at most 20 s, stopping PostgreSQL a checkpoint. */
const ENDS_WITHIN_MS = 60_000;

export class Program {
  readonly #options: ProgramOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(0);
  #isReady = false;
  #isAsked = false;

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Whether it takes requests, as far as can be known from here. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Begins; `untilReady` waits. */
  spawn(): void {
    const { root, args, settings, logPath } = this.#options;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LASTRO_'));
    const child = spawn(join(root, 'lastro'), args, {
      cwd: root,
      env: { ...Object.fromEntries(inherited), ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#isAsked = false;
    this.#isReady = false;
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve(null));
      child.once('exit', (code) => resolve(code));
    });
    // Nothing that was started here outlives us, however we are left.
    const end = (): void => void child.kill('SIGKILL');
    process.once('exit', end);
    const isOver = (): void => {
      process.removeListener('exit', end);
      this.#child = undefined;
      if (this.#isReady && !this.#isAsked) this.#endedUnasked();
    };
    void this.#ended.finally(isOver);
    let seen = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => {
        appendFileSync(logPath, bytes);
        if (this.#child !== child || this.#isReady || this.#isAsked) return;
        seen += bytes.toString();
        this.#isReady = this.#options.ready.test(seen);
      });
  }

  async untilReady(): Promise<void> {
    const isOver = await until(() => this.#isReady || this.#child === undefined, READY_WITHIN_MS);
    if (!isOver || !this.#isReady)
      throw new Error(`${this.name} did not start: see ${this.#options.logPath}`);
  }

  async start(): Promise<void> {
    this.spawn();
    await this.untilReady();
  }

  /** As a supervisor does it, it is started again. */
  #endedUnasked(): void {
    this.#isReady = false;
    this.#options.onUnasked(`${this.name} ended, and nobody had asked it to`);
    this.spawn();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    this.#isAsked = true;
    this.#isReady = false;
    this.signal('SIGKILL');
    await this.#ended;
  }

  /** Asks it to end in order; what is wrong if it does not. */
  async end(): Promise<string | undefined> {
    if (this.#child === undefined) return undefined;
    this.#isAsked = true;
    this.#isReady = false;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), ENDS_WITHIN_MS);
    const status = await this.#ended;
    clearTimeout(timer);
    return status === 0 ? undefined : `${this.name} was asked to end, and ended with ${status}`;
  }
}

const LOOK_EVERY_MS = 20;

/** False if it has not come to be so in time. */
export async function until(isSo: () => boolean, withinMs: number): Promise<boolean> {
  for (const endsAt = performance.now() + withinMs; performance.now() < endsAt; ) {
    if (isSo()) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return isSo();
}
