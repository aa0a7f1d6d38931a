import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFolderLock } from './folder-lock.ts';

const program = fileURLToPath(new URL('fixtures/count-under-lock.ts', import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-lock-'));
  writeFileSync(join(folder, 'counter'), '0');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function startCounting(additions: number): ChildProcess {
  return spawn(process.execPath, [program, folder, String(additions)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function counted(): number {
  return Number(readFileSync(join(folder, 'counter'), 'utf8'));
}

test('F1: four processes never hold it at once', async () => {
  const exits = await Promise.all([1, 2, 3, 4].map(() => once(startCounting(40), 'exit')));
  expect(exits.map(([code]) => code as number)).toEqual([0, 0, 0, 0]);
  expect(counted()).toBe(160);
});

test('F1: within one process it excludes as well', async () => {
  let inside = 0;
  let most = 0;
  const enter = () =>
    withFolderLock(folder, { timeoutMs: 30_000 }, async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
    });
  await Promise.all(Array.from({ length: 20 }, enter));
  expect(most).toBe(1);
});

test('F2: a holder that is killed holds it no longer, and leaves nothing behind', async () => {
  const endless = startCounting(Number.MAX_SAFE_INTEGER);
  if (endless.stdout === null) throw new Error('no output');
  await once(endless.stdout, 'data');
  endless.kill('SIGKILL');
  await once(endless, 'exit');
  await expect(withFolderLock(join(folder, 'lock'), { timeoutMs: 5_000 }, async () => 'mine')).resolves.toBe(
    'mine',
  );
  expect(readdirSync(join(folder, 'lock'))).toEqual([]);
});

test('a holder that goes on is named after the time is up', async () => {
  const waiting = withFolderLock(folder, { timeoutMs: 5_000 }, () =>
    withFolderLock(folder, { timeoutMs: 50 }, async () => undefined),
  );
  await expect(waiting).rejects.toThrow(`waited 50 ms for process ${process.pid}`);
});

test('the lock is free again when the work under it failed', async () => {
  const failing = withFolderLock(folder, { timeoutMs: 5_000 }, () =>
    Promise.reject(new Error('work failed')),
  );
  await expect(failing).rejects.toThrow('work failed');
  await expect(withFolderLock(folder, { timeoutMs: 50 }, async () => 'mine')).resolves.toBe('mine');
});
