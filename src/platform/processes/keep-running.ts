/**
 * Starts the server again whenever it ends while it is used. It looks at the process, not at what it answers: a server
 * that is there and silent is left to an operator.
 *
 * K1: it never gives up, and tells how each attempt went.
 * K2: after `stop` no attempt begins, and when it resolves none is under way: whoever stops the server then, stops it.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface KeptServer {
  readonly isRunning: () => boolean;
  /** Joins the one that another process has started meanwhile. */
  readonly restart: () => Promise<void>;
  readonly report: ServerReport;
}

/** What is told of a server that is kept running. */
export interface ServerReport {
  ended(): void;
  restarted(): void;
  notRestarted(error: unknown, nextAttemptMs: number): void;
}

/** Well below the 8 s after which requests give up; a look is a few reads of the system's own files. */
const LOOK_EVERY_MS = 1000;
const FIRST_WAIT_MS = 500;
/** Whatever is in the way then, a person has to remove it, and wants to see soon that it helped. */
const LONGEST_WAIT_MS = 15_000;

export function keepRunning(server: KeptServer): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const watching = watch(server, stopping.signal);
  return {
    stop: () => {
      stopping.abort();
      return watching; // K2
    },
  };
}

async function watch(server: KeptServer, signal: AbortSignal): Promise<void> {
  while (await pause(LOOK_EVERY_MS, signal)) {
    if (isRunning(server)) continue;
    server.report.ended();
    await restart(server, signal);
  }
}

/** A look that fails, while the folder is moved or removed, is no answer: the next one gives it. */
function isRunning(server: KeptServer): boolean {
  try {
    return server.isRunning();
  } catch {
    return true;
  }
}

/** K1 */
async function restart({ restart: attempt, report }: KeptServer, signal: AbortSignal): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      await attempt();
      report.restarted();
      return;
    } catch (error) {
      report.notRestarted(error, waitMs);
      await pause(waitMs, signal);
    }
  }
}

/** False as soon as the signal tells to stop. Keeps no process alive. */
function pause(durationMs: number, signal: AbortSignal): Promise<boolean> {
  return delay(durationMs, undefined, { signal, ref: false }).then(
    () => true,
    () => false,
  );
}
