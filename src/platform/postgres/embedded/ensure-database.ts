import { setTimeout as delay } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';

/** A healthy server on the same machine answers in milliseconds; a stopped process accepts the connection and is silent. */
const ANSWER_MS = 5_000;

/** One session that crashes ends all others, and the server recovers; after that it answers again by itself. */
const RECOVERS_MS = 60_000;
const ASK_AGAIN_MS = 100;
/** What `pg` says of it, without a code. */
const HUNG_UP = /Connection terminated unexpectedly/;
/** 57P02: ends its sessions because of a crash. 57P03: takes nobody yet, or any more. */
const RECOVERING_STATES: readonly (string | undefined)[] = ['57P02', '57P03'];
const SHUTTING_DOWN = 'the database system is shutting down';

/**
 * Proves that the server answers and accepts our password, and creates the URL's database when it is not there yet. A server
 * that recovers is waited for: to be stopped in the middle of it does a server no good (18.4: a fast shutdown then does not
 * come to an end).
 */
export async function ensureDatabase(url: string): Promise<void> {
  for (const endsAt = performance.now() + RECOVERS_MS; ; await delay(ASK_AGAIN_MS)) {
    try {
      await createIfMissing(url);
      return;
    } catch (error) {
      if (!isRecovering(error) || performance.now() > endsAt) throw error;
    }
  }
}

/** It says so, or hangs up. Nobody there, or silence, is something else. */
function isRecovering(error: unknown): boolean {
  if (error instanceof DatabaseError)
    return RECOVERING_STATES.includes(error.code) && error.message !== SHUTTING_DOWN;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ECONNRESET' || (error instanceof Error && HUNG_UP.test(error.message));
}

async function createIfMissing(url: string): Promise<void> {
  try {
    await query(url, 'select 1');
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === '3D000')) throw error;
    await query(withDatabase(url, 'postgres'), `create database "${new URL(url).pathname.slice(1)}"`);
  }
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
  });
  client.on('error', () => undefined); // also reported by the pending call
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
}
