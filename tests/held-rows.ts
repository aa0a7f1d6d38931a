/** What somebody does who needs rows that another session has locked. */
import { Client } from 'pg';
import { vi } from 'vitest';
import { Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { PATIENCE } from './patience.ts';

/** A slow machine is no reason to give up a lock. */
const WAIT = statement(
  'tests.wait',
  `select set_config('lock_timeout', '45s', true), set_config('statement_timeout', '45s', true)`,
);

export interface Held {
  readonly url: string;
  /** What the other session does first, in a transaction that commits when it is waited for. */
  readonly sql: string;
  readonly values: readonly unknown[];
  /** Before that commit. */
  readonly meanwhile?: () => Promise<void>;
}

/** Does the work in a transaction that has to wait for the other one. */
export async function waitingFor<Result>(
  { url, sql, values, meanwhile }: Held,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const other = new Client({ connectionString: url });
  const session = new Session({ url, name: 'waiting' });
  await other.connect();
  try {
    await other.query('begin');
    await other.query(sql, [...values]);
    let isOver = false;
    const working = session
      .transaction((tx) => {
        tx.run(WAIT, []);
        return work(tx);
      })
      .finally(() => {
        isOver = true;
      });
    // Not `pg_stat_activity`, which is read once in a transaction.
    const waiting = `select from pg_locks l
      where not l.granted and pg_backend_pid() = any (pg_blocking_pids(l.pid))`;
    // What does not wait is over soon, and tells by its result.
    await vi.waitUntil(async () => isOver || (await other.query(waiting)).rows.length > 0, PATIENCE);
    await meanwhile?.();
    await other.query('commit');
    return await working;
  } finally {
    await other.end();
    await session.close();
  }
}
