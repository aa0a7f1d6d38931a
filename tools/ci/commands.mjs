/** Commands as a newcomer gives them, from the root of the tree, and waiting for them. */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensure } from './steps.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const POLL_MS = 50;

/** A command in a process group of its own, so that nothing of it outlives its time; its output is shown and kept. */
export function launch(program, args, env = {}) {
  const child = spawn(program, args, {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const command = { pid: child.pid, output: '', exit: undefined, kill: () => killGroup(child.pid) };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      command.output += text;
      process.stdout.write(text);
    });
  }
  command.ended = new Promise((resolve) => {
    const end = (exit) => {
      command.exit ??= exit;
      resolve(command.exit);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(signal ?? code));
  });
  return command;
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** The exit code or signal; what does not end in time is killed. */
export async function endOf(command, timeoutMs) {
  const timeout = new AbortController();
  const late = delay(timeoutMs, 'late', { signal: timeout.signal }).catch(() => 'late');
  const exit = await Promise.race([command.ended, late]);
  timeout.abort();
  if (exit !== 'late') return exit;
  command.kill();
  throw new Error(`did not end within ${timeoutMs / 1000} s`);
}

export async function until(find, timeoutMs, what) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    ensure(performance.now() < deadline, `${what} did not come within ${timeoutMs / 1000} s`);
    await delay(POLL_MS);
  }
}
