import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { readEnvironment } from './environment.ts';

/** `lastro bench`: a program of its own, which knows the product only by HTTP. */
export function bench(args: readonly string[]): void {
  const { root } = readEnvironment();
  const child = spawn(process.execPath, [join(root, 'bench/main.ts'), ...args], {
    stdio: 'inherit',
    cwd: root,
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
}
