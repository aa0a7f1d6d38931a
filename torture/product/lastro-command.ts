/** A `lastro` command run to its end. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

export interface CommandResult {
  /** Null when it was ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export function runLastro(
  { root, settings }: { readonly root: string; readonly settings: Readonly<Record<string, string>> },
  args: readonly string[],
  timeoutMs: number,
): Promise<CommandResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LASTRO_'));
  const env = { ...Object.fromEntries(inherited), ...settings };
  const options = { cwd: root, env, timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve) => {
    const child = execFile(join(root, 'lastro'), args, options, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}
