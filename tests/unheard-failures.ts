import { setImmediate as turn } from 'node:timers/promises';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';

const FAILS = statement('test.fails', 'select 1 / 0');

/**
 * Fails, as it has to, and gives what else has failed meanwhile without anybody hearing of it: any of that would end the
 * process.
 */
export async function unheardFailures(work: () => Promise<unknown>): Promise<unknown[]> {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  try {
    const hasFailed = await work().then(
      () => false,
      () => true,
    );
    if (!hasFailed) throw new Error('it was to fail');
    await turn();
    return unheard;
  } finally {
    process.removeListener('unhandledRejection', hear);
  }
}

/** The same of a transaction in which every statement fails, as behind a fence or a lock that was waited for in vain. */
export function unheardInFailing(
  session: Session,
  work: (tx: Transaction) => Promise<unknown>,
): Promise<unknown[]> {
  return unheardFailures(() =>
    session.transaction(async (tx) => {
      tx.run(FAILS, []);
      await work(tx);
    }),
  );
}
