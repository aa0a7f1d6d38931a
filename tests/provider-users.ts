/** Processes that use the sandbox's providers on one data folder, and what they leave running. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { endProcess } from '#platform/processes/end-process.ts';
import {
  findProcess,
  isAlive,
  listProcesses,
  type ProcessIdentity,
} from '#platform/processes/process-identity.ts';
import { SANDBOX_PROVIDERS, type SandboxProvider } from '../src/sandbox-providers.ts';

const HOLDER = fileURLToPath(new URL('hold-providers.ts', import.meta.url));
/** Nobody listens there. */
export const NO_CALLBACKS = 'http://127.0.0.1:9';

export interface Identity {
  readonly port: number;
  readonly pid: number;
  readonly started_at: string;
  readonly api_key: string;
  readonly webhook_secret: string;
}

export function readIdentity(dataDir: string, name: string): Identity {
  return JSON.parse(readFileSync(identityPath(dataDir, name), 'utf8')) as Identity;
}

function identityPath(dataDir: string, name: string): string {
  return join(dataDir, 'sandbox-providers', name, 'identity.json');
}

/** Ends those that run on the data folder, whoever has started them. */
export async function endProviders(dataDir: string): Promise<void> {
  for (const name of SANDBOX_PROVIDERS) {
    if (!existsSync(identityPath(dataDir, name))) continue;
    const { pid, started_at: startedAt } = readIdentity(dataDir, name);
    const running = findProcess(pid);
    if (running !== undefined && isAlive({ pid, startedAt })) await endProcess(running);
  }
}

export interface ProviderUser {
  readonly providers: readonly SandboxProvider[];
  readonly alfa: SandboxProvider;
  /** Lets it close the providers and end. */
  close(): Promise<void>;
  kill(): Promise<void>;
}

export class ProviderData {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'lastro-providers-'));
  readonly #children: ChildProcess[] = [];

  folder(name: string): string {
    return join(this.dataDir, 'sandbox-providers', name);
  }

  identity(name = 'alfa'): Identity {
    return readIdentity(this.dataDir, name);
  }

  /** As if the process that started it had been killed before it noted it. */
  forgetProcess(name: string): void {
    const known = { ...this.identity(name), pid: null, started_at: null };
    writeFileSync(identityPath(this.dataDir, name), JSON.stringify(known));
  }

  mode(name: string): number {
    return statSync(identityPath(this.dataDir, name)).mode & 0o777;
  }

  process(name = 'alfa'): ProcessIdentity {
    const { pid, started_at } = this.identity(name);
    return { pid, startedAt: started_at };
  }

  isRunning(name: string): boolean {
    return isAlive(this.process(name));
  }

  /** Those that have the book of this name on their command line. */
  writers(name: string): number {
    const mark = ` --book ${join(this.folder(name), 'book.jsonl')} `;
    return listProcesses().filter(({ command }) => `${command} `.includes(mark)).length;
  }

  /** Starts a process of its own that uses the providers. */
  async use(callbackUrl = NO_CALLBACKS): Promise<ProviderUser> {
    const child = spawn(process.execPath, [HOLDER, this.dataDir, callbackUrl], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const ended = once(child, 'exit');
    const line = once(createInterface(child.stdout), 'line');
    const [first] = (await Promise.race([line, ended])) as unknown[];
    const providers = JSON.parse(String(first)) as SandboxProvider[];
    const [alfa] = providers;
    if (alfa === undefined) throw new Error('there is no provider');
    const end = async (how: () => void): Promise<void> => {
      how();
      await ended;
    };
    return {
      providers,
      alfa,
      close: () => end(() => child.stdin.end()),
      kill: () => end(() => child.kill('SIGKILL')),
    };
  }

  /** Ends whatever a test left. */
  async remove(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await endProviders(this.dataDir);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
