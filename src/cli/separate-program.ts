import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { readEnvironment } from './environment.ts';

/** `lastro bench` and `lastro torture`: programs of their own, which know the product only by HTTP. Ends as they end. */
export function runSeparateProgram(
  script: 'bench/main.ts' | 'torture/main.ts',
  args: readonly string[],
): void {
  const { root } = readEnvironment();
  const child = spawn(process.execPath, [join(root, script), ...args], { stdio: 'inherit', cwd: root });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  // A terminal tells the program itself, which ends its servers first; told twice it would not.
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
}
