import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { waitUntil } from './wait-until.ts';

/** For what it has in flight; then it is killed. */
const ENDING_MS = 5000;
const KILLED_MS = 5000;

/** Ends it in order, or by force if it takes too long; resolves when it is gone. */
export async function endProcess(identity: ProcessIdentity): Promise<void> {
  if (await isGoneAfter(identity, 'SIGTERM', ENDING_MS)) return;
  if (await isGoneAfter(identity, 'SIGKILL', KILLED_MS)) return;
  throw new Error(`process ${identity.pid} does not end, also when it is killed: see what it waits for`);
}

function isGoneAfter(identity: ProcessIdentity, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
  if (isAlive(identity)) send(identity.pid, signal);
  return waitUntil(() => !isAlive(identity), timeoutMs);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // ended meanwhile: what we want
  }
}
