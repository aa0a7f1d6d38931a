/**
 * A lane: one connection of a proof. Statements stand alone, share one snapshot, or one transaction; all end within a
 * few seconds (DESIGN §2: a transaction open for 40 s makes every head update six times slower).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { Fault } from '#kernel/fault.ts';
import type { ModelTransaction } from '#platform/log/read-model.ts';
import { Connection, type ServerWanted } from '#platform/postgres/connection.ts';
import { asFault, isTransient } from '#platform/postgres/faults.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { connectionOptions } from '#platform/postgres/session.ts';
import { TARGET_MS } from './page-size.ts';

/** A page that meets a lost connection, a deadlock or a time-out is read again so often. */
const ATTEMPTS = 4;

/** How much of a lane's time is work. */
export interface Pace {
  /** How long a page should take. */
  readonly pageMs: number;
  /** After so long at work it rests so many times as long. */
  readonly restRatio: number;
}

/** As fast as it goes. */
export const UNPACED: Pace = { pageMs: TARGET_MS, restRatio: 0 };

export interface LaneOptions {
  readonly pace?: Pace | undefined;
  /** Ends a rest. */
  readonly signal?: AbortSignal | undefined;
  readonly server?: ServerWanted;
}

/** On a machine that is busy pages take longer, and so do rests; a pass is to end all the same. */
const REST_MAX_MS = 2000;

export class Lane implements Reader {
  readonly pace: Pace;
  readonly #connection: Connection;
  readonly #signal: AbortSignal | undefined;
  #restedAt = performance.now();

  constructor(url: string, { pace = UNPACED, signal, server }: LaneOptions = {}) {
    this.pace = pace;
    this.#signal = signal;
    this.#connection = new Connection(connectionOptions({ url, name: 'proof' }, 'reads'), { wanted: server });
  }

  async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    await this.#rest();
    return this.#retrying(
      async (client) => (await client.query({ text, values: [...values] })).rows as Row[],
    );
  }

  /**
   * Everything `work` reads is of one instant: a service's rows, the events that tell of them and the positions up to
   * which they were read agree, whatever goes on meanwhile. `work` may be run again, and must not keep what it found
   * in an attempt that failed.
   */
  snapshot<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    return this.#within('begin isolation level repeatable read read only', work);
  }

  /** Each statement sees what was committed before it; all they write is committed together. `work` may be run again. */
  transaction<T>(work: (tx: ModelTransaction) => Promise<T>): Promise<T> {
    return this.#within('begin isolation level read committed', work);
  }

  async #within<T>(begin: string, work: (reader: Reader) => Promise<T>): Promise<T> {
    await this.#rest();
    return this.#retrying(async (client) => {
      await client.query(begin);
      try {
        const result = await work(readerOf(client));
        // A COMMIT of a failed transaction resolves, with ROLLBACK as its command.
        const { command } = await client.query('commit');
        if (command !== 'COMMIT') throw new Fault(`the transaction ended by ${command}`, { transient: true });
        return result;
      } catch (error) {
        await Promise.allSettled([client.query('rollback')]);
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** For the time since the last rest, spent here or with what was read. */
  async #rest(): Promise<void> {
    if (this.pace.restRatio === 0) return;
    const restMs = Math.min(REST_MAX_MS, (performance.now() - this.#restedAt) * this.pace.restRatio);
    await delay(restMs, undefined, this.#signal === undefined ? {} : { signal: this.#signal }).catch(() => {
      this.#signal?.throwIfAborted();
    });
    this.#restedAt = performance.now();
  }

  async #retrying<T>(attempt: (client: pg.Client) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(await this.#connection.open());
      } catch (error) {
        const fault = asFault(error);
        if (!isTransient(fault) || tries === ATTEMPTS) throw fault;
      }
    }
  }
}

function readerOf(client: pg.Client): Reader {
  return {
    async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
      return (await client.query({ text, values: [...values] })).rows as Row[];
    },
  };
}

/** Works through the tasks with so many lanes at once, each taking the next task that is left. */
export async function eachInLanes<Task>(
  lanes: readonly Lane[],
  tasks: readonly Task[],
  work: (lane: Lane, task: Task) => Promise<void>,
): Promise<void> {
  let next = 0;
  await inAllLanes(lanes, async (lane) => {
    try {
      for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) await work(lane, task);
    } catch (error) {
      next = tasks.length; // The other lanes end with the task they are at.
      throw error;
    }
  });
}

/** Resolves when every lane is done; throws the first failure, and then too no lane is still at work. */
export async function inAllLanes(lanes: readonly Lane[], work: (lane: Lane) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(lanes.map(work));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
