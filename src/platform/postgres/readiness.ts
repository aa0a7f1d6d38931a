/** What `/readyz` says of the database. Anybody may ask, so it tells what kind of trouble it is, never the server's own words. */
import { DatabaseFault, READ_ONLY, stateOf } from './faults.ts';
import type { Reader } from './read-pool.ts';

const TAKES_NO_WRITES = 'takes no writes';
const UNREACHABLE = 'cannot be reached';

/** Undefined: ready. Nothing is acknowledged where nothing can be written. */
export async function databaseLack(reader: Reader): Promise<string | undefined> {
  try {
    const [row] = await reader.query<{ transaction_read_only: string }>('show transaction_read_only', []);
    return row?.transaction_read_only === 'on' ? TAKES_NO_WRITES : undefined;
  } catch (error) {
    const state = error instanceof DatabaseFault ? (error.state ?? stateOf(error.cause)) : undefined;
    return state === undefined ? UNREACHABLE : lackBehind(state);
  }
}

/** By SQLSTATE. */
export function lackBehind(state: string): string {
  if (state === READ_ONLY) return TAKES_NO_WRITES;
  if (state === '57P03') return 'is starting or stopping';
  if (state === '3D000') return `is not on its server (SQLSTATE ${state})`;
  if (state.startsWith('28')) return `does not let this process in (SQLSTATE ${state})`;
  if (state.startsWith('53')) return `has no room for this process (SQLSTATE ${state})`;
  return `${UNREACHABLE} (SQLSTATE ${state})`;
}
