/**
 * The embedded PostgreSQL of the run, as an injector of faults has it: its processes, and a connection of its own, straight
 * to it. What the checker knows does not come from here.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Address } from '../proxy/faulty-wire.ts';

/** A server that was killed is there again by then. */
const CONNECTED_WITHIN_MS = 20_000;
const STATEMENT_TIMEOUT_MS = 5000;

export class Postgres {
  readonly #folder: string;

  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'postgres');
  }

  get address(): Address {
    return { host: '127.0.0.1', port: Number(readFileSync(join(this.#folder, 'port'), 'utf8')) };
  }

  /** By way of that port. */
  urlBy(port: number): string {
    const password = readFileSync(join(this.#folder, 'password'), 'utf8').trim();
    return `postgres://lastro:${password}@127.0.0.1:${port}/lastro`;
  }

  /** Of the server's first process; undefined while none runs. `postmaster.pid` outlives it: the number may be another's. */
  findPid(): number | undefined {
    const cluster = join(this.#folder, 'cluster');
    const path = join(cluster, 'postmaster.pid');
    if (!existsSync(path)) return undefined;
    const [pid, , , , , , , status] = readPidFile(path);
    const isReady = status?.trim() === 'ready';
    return isReady && isServerOf(realpathSync(cluster), Number(pid)) ? Number(pid) : undefined;
  }

  /** Runs statements on a connection that ends with them; asks again while there is no server. */
  async query<T extends object>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    for (const endsAt = performance.now() + CONNECTED_WITHIN_MS; ; ) {
      const client = new Client({
        connectionString: this.urlBy(this.address.port),
        statement_timeout: STATEMENT_TIMEOUT_MS,
        application_name: 'torture',
      });
      client.on('error', () => undefined); // the query that was under way rejects
      try {
        await client.connect();
        return (await client.query<T>(text, [...values])).rows;
      } catch (error) {
        if (performance.now() > endsAt) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }
}

function readPidFile(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return []; // removed meanwhile
  }
}

function isServerOf(cluster: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster);
  } catch {
    return false; // it has ended
  }
}
