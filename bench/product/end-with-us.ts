import type { ChildProcess } from 'node:child_process';

/** Nothing that the bench started outlives it, however it is left. */
export function endWithUs(child: ChildProcess): void {
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
}
