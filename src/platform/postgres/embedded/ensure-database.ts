import { Client, DatabaseError } from 'pg';

/** A healthy server on the same machine answers in milliseconds; a stopped process accepts the connection and is silent. */
const ANSWER_MS = 5_000;

/** Proves that the server answers and accepts our password, and creates the URL's database when it is not there yet. */
export async function ensureDatabase(url: string): Promise<void> {
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
