import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';

const LIMIT_BYTES = 16 * 1024 * 1024;
/** Enough for any start's messages. */
const EXCERPT_BYTES = 4096;

/** Before a start: what has become long goes to `<path>.1`. */
export function rotateLog(path: string): void {
  if (sizeOf(path) > LIMIT_BYTES) renameSync(path, `${path}.1`);
}

/** What is written from now on: `excerpt` gives its end, where the reason of a failure stands. */
export function followLog(path: string): { excerpt(): string } {
  const start = sizeOf(path);
  return { excerpt: () => readFileSync(path).subarray(start).subarray(-EXCERPT_BYTES).toString().trim() };
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
