/** What the error of a batch that failed says of its transaction. */
import { Fault } from '#kernel/fault.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';

export function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseFault && error.state === '55P03';
}

/**
 * Whether the server has said that it undid the transaction: an error of a statement, or ROLLBACK as the answer to COMMIT.
 * A connection that is lost, or a server that goes down (class 57P), says nothing about a COMMIT that was sent.
 */
export function isRolledBack(error: unknown): boolean {
  if (error instanceof DatabaseFault)
    return error.state !== undefined && !error.state.startsWith('57P') && !error.state.startsWith('08');
  return error instanceof Fault;
}
