import type { Transaction } from '#platform/postgres/session.ts';

/** A transaction of a worker, or one of a rebuild, which has tables of its own. */
export type BatchTransaction = Pick<Transaction, 'query' | 'run'>;
