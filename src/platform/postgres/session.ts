/**
 * A session: one pipelined connection of its own for one worker. It opens itself when first needed and again after
 * the connection was lost; a transaction that met the loss fails with a transient fault, and the worker retries.
 *
 * A transaction is two round trips: what is locked and loaded, and what is written. Statements are sent as soon as
 * they are asked for; those whose rows nobody needs are not awaited until COMMIT has been sent behind them.
 */
import pg from 'pg';
import { Fault } from '#kernel/fault.ts';
import { Connection, type Inspect } from './connection.ts';
import { asFault, DatabaseFault } from './faults.ts';

/** A hot statement: prepared once per connection under its name, planned once (generic), its plan asserted by test. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export type Row = Record<string, unknown>;

export function statement(name: string, text: string): Statement {
  return { name, text };
}

const ANSWER_TIMEOUT_MS = 8000;
/** After so long a silence the server is asked whether it is there: who listens asks it nothing else. */
const KEEP_ALIVE_MS = 10_000;

/** R7: a session that hangs, waits or lost its peer ends by itself, whatever this process is doing. */
const SAFETY_SETTINGS = {
  idle_in_transaction_session_timeout: '3s',
  lock_timeout: '2s',
  // No transaction of ours lives longer than 5 s: a long one makes every head update several times slower.
  statement_timeout: '5s',
  tcp_user_timeout: '5s',
  // For a session that is idle when the machine at its other end vanishes. The system's default finds out after two hours, and
  // until then its connection is lacking to who takes that machine's place.
  tcp_keepalives_idle: '10s',
  tcp_keepalives_interval: '5s',
  tcp_keepalives_count: '3',
  client_connection_check_interval: '1s',
  // The durability of an acknowledged payment must not depend on how the server's default was set.
  synchronous_commit: 'on',
  jit: 'off',
  timezone: 'UTC',
} as const;

const HOT_PLAN_SETTINGS = {
  // Every hot statement looks an unnested batch up by an index. Planned while a table is empty, or again when
  // autoanalyze has seen it so, the server prefers scans and hash joins and keeps them as the table grows. The
  // statements' form leaves one join order (docs/adr/0003), these settings one way to do it; a test pins the plans.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_bitmapscan: 'off',
  enable_memoize: 'off',
} as const;

/** The role without UPDATE and DELETE on the books; assumed by every session of a service (R7). */
export const SERVICE_ROLE = 'lastro_service';

export interface SessionOptions {
  readonly url: string;
  /** Shown in pg_stat_activity, so that an operator sees which worker a backend belongs to. */
  readonly name: string;
  readonly role?: string;
}

/** `hot` sessions have their plans pinned, `reads` are planned by the values of each query. */
export function connectionOptions(
  { url, name, role = SERVICE_ROLE }: SessionOptions,
  kind: 'hot' | 'reads' = 'hot',
): pg.ClientConfig {
  const planning = kind === 'hot' ? HOT_PLAN_SETTINGS : {};
  const settings = Object.entries({ ...SAFETY_SETTINGS, ...planning, role }).map(
    ([key, value]) => `-c ${key}=${value}`,
  );
  const given = withoutOurs(url);
  return {
    connectionString: given.url,
    application_name: `lastro ${name}`,
    options: [...given.options, ...settings].join(' '),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    connectionTimeoutMillis: 5000,
    // The server ends statements after 5 s; if it says nothing for longer, it or the way to it is gone, and the
    // connection with it. Without this a host that vanished would hold a worker until TCP gives up.
    query_timeout: ANSWER_TIMEOUT_MS,
    types: { getTypeParser: typeParser },
  };
}

/**
 * `pg` puts what a URL asks for above what is given beside it: `?options=…` alone would take the role, the limits (R7) and
 * the plans from every session. What the URL asks for stands before ours: of two the later one holds.
 */
function withoutOurs(text: string): { readonly url: string; readonly options: readonly string[] } {
  const url = new URL(text);
  const options = url.searchParams.getAll('options');
  for (const name of ['options', 'application_name', 'query_timeout', ...Object.keys(SAFETY_SETTINGS)])
    url.searchParams.delete(name);
  return { url: url.href, options };
}

const INT8_OID = 20;
const TIMESTAMPTZ_OID = 1184;
const DATE_OID = 1082;

/** int8 as bigint (money and positions), timestamptz as epoch milliseconds, dates as their text. */
function typeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (format !== 'binary') {
    if (oid === INT8_OID) return BigInt;
    if (oid === TIMESTAMPTZ_OID) return instantOf;
    if (oid === DATE_OID) return (value) => value;
  }
  return pg.types.getTypeParser(oid, format) as (value: string) => unknown;
}

/** As PostgreSQL writes it for the zone UTC. Years below 100 only as ISO 8601: otherwise `0001` is read as 2001. */
function instantOf(text: string): number {
  return Date.parse(text.startsWith('00') ? text.replace(' ', 'T').replace(/\+00$/, 'Z') : text);
}

export class Session {
  readonly #connection: Connection;

  constructor(options: SessionOptions & { readonly inspect?: Inspect }) {
    this.#connection = new Connection(connectionOptions(options), { inspect: options.inspect });
  }

  /** Runs one transaction; its statements in the order asked for. Rolled back if `work` throws or any statement fails. */
  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const client = await this.#connection.open();
    const tx = new Transaction(client);
    try {
      tx.run(BEGIN, []);
      const result = await work(tx);
      await tx.commit();
      return result;
    } catch (error) {
      const first = await tx.rollback();
      throw this.#leaving(asFault(first ?? error));
    }
  }

  /** One statement in a transaction of its own. */
  async query<R = Row>(query: Statement, values: readonly unknown[]): Promise<R[]> {
    try {
      const client = await this.#connection.open();
      return (await client.query({ ...query, values: [...values] })).rows as R[];
    } catch (error) {
      throw this.#leaving(asFault(error));
    }
  }

  /** A server that takes no writes is left: the next connection may find the one that does. */
  #leaving(fault: Error): Error {
    if (fault instanceof DatabaseFault && fault.readOnly) this.#connection.leave();
    return fault;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

const BEGIN = statement('begin', 'begin');

export class Transaction {
  readonly #client: pg.Client;
  readonly #sent: Promise<pg.QueryResult>[] = [];
  #corked = false;
  #failure: Error | undefined;

  constructor(client: pg.Client) {
    this.#client = client;
  }

  /** Sends the statement now; its rows when they are there. A failure that is not awaited surfaces at commit. */
  query<R = Row>(query: Statement, values: readonly unknown[]): Promise<R[]> {
    return this.derive(this.#send(query, values), (result) => result.rows as R[]);
  }

  /** Sends the statement now; its failure surfaces at commit. */
  run(query: Statement, values: readonly unknown[]): void {
    void this.#send(query, values);
  }

  /** `map` over the result of a statement of this transaction; whoever does not await it hears of its failure at commit. */
  derive<A, B>(source: Promise<A>, map: (value: A) => B): Promise<B> {
    const mapped = source.then(map);
    mapped.catch(surfacesAtCommit);
    return mapped;
  }

  #send(query: Statement, values: readonly unknown[]): Promise<pg.QueryResult> {
    // Nothing is sent behind a failure: if it was BEGIN that failed, each statement would commit for itself.
    if (this.#failure !== undefined) throw this.#failure;
    this.#cork();
    const sent = this.#client.query({ name: query.name, text: query.text, values: [...values] });
    sent.catch((error: unknown) => {
      this.#failure ??= asFault(error);
    });
    this.#sent.push(sent);
    return sent;
  }

  /** What is sent in one turn leaves in one write: the server is woken once for a round trip, not for each statement. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    const { stream } = this.#client.connection;
    stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  /** Lets the server begin with what was sent so far, while more is being made: worth it where both take milliseconds. */
  flush(): void {
    if (!this.#corked) return;
    const { stream } = this.#client.connection;
    stream.uncork();
    stream.cork();
  }

  async commit(): Promise<void> {
    const commit = this.#client.query('commit');
    commit.catch(surfacesAtCommit);
    await Promise.all(this.#sent);
    // A COMMIT of a failed transaction resolves, with ROLLBACK as its command (ECOSYSTEM: driver).
    const { command } = await commit;
    if (command !== 'COMMIT') throw new Fault(`the transaction ended by ${command}`, { transient: true });
  }

  /** Rolls back and returns the failure of the first statement that failed: the ones behind it only say that they came after. */
  async rollback(): Promise<unknown> {
    const outcomes = await Promise.allSettled(this.#sent);
    // A connection that is lost has rolled back already; what led here is the failure to report.
    await Promise.allSettled([this.#client.query('rollback')]);
    return outcomes.find((outcome) => outcome.status === 'rejected')?.reason;
  }
}

/** The rejection is kept in the transaction and reported by `commit` or `rollback`; here it only stops counting as unhandled. */
function surfacesAtCommit(): void {
  return;
}
