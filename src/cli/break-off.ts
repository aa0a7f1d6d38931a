/**
 * How a command leaves that somebody ends while it works on a database (Ctrl-C, a closed terminal, `kill`): not before it
 * has left the embedded server, which would go on with nobody to stop it.
 */
import type { OpenedDatabase } from '../open-database.ts';
import { fail, say } from './environment.ts';

/** What a shell reports of a program that the signal ended. */
const EXIT_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

type Signal = keyof typeof EXIT_STATUS;

const SIGNALS = Object.keys(EXIT_STATUS) as Signal[];

type Work<Result> = (database: OpenedDatabase, onLost: (error: unknown) => void) => Promise<Result>;

/**
 * The database is closed when the work has ended, or when a signal breaks it off: then the process ends. `onLost` is for
 * connections that are lost while idle.
 */
export async function workOn<Result>(opening: Promise<OpenedDatabase>, work: Work<Result>): Promise<Result> {
  const brokenOff = new AbortController();
  const breakOff = (signal: Signal): void => {
    if (brokenOff.signal.aborted) process.exit(EXIT_STATUS[signal]); // again: without waiting
    brokenOff.abort();
    say(`${signal}: leaving`);
    opening
      .then((database) => database.close())
      .catch(() => undefined) // what could not be opened is told by the work, or has nothing to leave
      .finally(() => process.exit(EXIT_STATUS[signal]));
  };
  const onLost = (error: unknown): void => {
    if (!brokenOff.signal.aborted) fail(error);
  };
  for (const signal of SIGNALS) process.on(signal, breakOff);
  try {
    return await closing(await opening, (database) => work(database, onLost));
  } catch (error) {
    if (brokenOff.signal.aborted) return await new Promise<never>(() => undefined); // the handler ends the process
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, breakOff);
  }
}

async function closing<Result>(
  database: OpenedDatabase,
  work: (database: OpenedDatabase) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
