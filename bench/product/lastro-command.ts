/** The product as its users have it: the `lastro` command with an environment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { endWithUs } from './end-with-us.ts';

export interface Installation {
  /** Of the checkout. */
  readonly root: string;
  /** Settings of this run; what the bench's own environment sets for the product is not handed on. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface CommandResult {
  /** Null when it was ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, or to the end of its time. */
export async function runLastro(
  installation: Installation,
  args: readonly string[],
  options: { timeoutMs: number; onLine?: (line: string) => void },
): Promise<CommandResult> {
  const child = spawnLastro(installation, args);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
  endWithUs(child);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onLine?.(lastLineOf(text));
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onLine?.(lastLineOf(text));
  });
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code));
    });
    return { status, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

export function spawnLastro({ root, settings }: Installation, args: readonly string[]): ChildProcess {
  return spawn(join(root, 'lastro'), args, {
    cwd: root,
    env: { ...withoutSettings(process.env), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('LASTRO_')));
}

function lastLineOf(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
