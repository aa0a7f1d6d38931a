import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CutProxy } from '../../../tests/cut-proxy.ts';
import { Probe } from '../../../tests/probe.ts';
import { Connection } from './connection.ts';
import { DatabaseFault } from './faults.ts';
import { ReadPool } from './read-pool.ts';
import { connectionOptions, Session, statement, type Transaction } from './session.ts';

let probe: Probe;
let proxy: CutProxy;
let session: Session;

beforeAll(async () => {
  probe = await Probe.open();
  await probe.query(
    `create table probe.notes (id int primary key, note text);
     create table probe.pairs (a int, b int, constraint paired foreign key (b) references probe.notes deferrable initially deferred);
     grant select, insert, update on probe.notes, probe.pairs to lastro_service`,
  );
});

afterAll(() => probe.close());

beforeEach(async () => {
  await probe.query('truncate probe.notes, probe.pairs');
  proxy = await CutProxy.open(probe.url);
  session = new Session({ url: proxy.url, name: 'session test' });
});

afterEach(async () => {
  await session.close();
  await proxy.close();
});

const NOTE = statement('tests.note', 'insert into probe.notes values ($1, $2)');
const DIVIDE = statement('tests.divide', 'select 1 / $1::int as quotient');
const SLEEP = statement('tests.sleep', 'select pg_sleep($1)');
const PAIR = statement('tests.pair', 'insert into probe.pairs values (1, 404)');

function notes(): Promise<unknown[]> {
  return probe.query('select id from probe.notes order by id');
}

async function faultOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no fault',
    (error: unknown) => error,
  );
}

/** Of connections that are opened from now on. */
async function takeWrites(change: string): Promise<void> {
  await probe.query(`do $$ begin execute format('alter database %I ${change}', current_database()); end $$`);
}

/** That the session works, whatever was before, on one connection. */
async function worksAgain(): Promise<void> {
  await session.transaction((tx) => tx.query(NOTE, [99, 'again']));
  expect(await notes()).toContainEqual({ id: 99 });
  expect(proxy.connections).toBe(1);
}

describe('a pipelined failure', () => {
  test('is reported as the first that happened, whichever result was awaited', async () => {
    const fault = await faultOf(
      session.transaction(async (tx) => {
        tx.run(NOTE, [1, 'before']);
        tx.run(DIVIDE, [0]);
        tx.run(NOTE, [2, 'behind']);
        await tx.query(NOTE, [3, 'awaited']);
      }),
    );
    expect(fault).toMatchObject({ state: '22012', transient: false });
    expect(await notes()).toEqual([]);
    await worksAgain();
  });

  test('that nobody awaited makes the transaction fail', async () => {
    const work = async (tx: Transaction): Promise<string> => {
      tx.run(NOTE, [1, 'before']);
      tx.run(DIVIDE, [0]);
      return 'done';
    };
    expect(await faultOf(session.transaction(work))).toMatchObject({ state: '22012' });
    expect(await notes()).toEqual([]);
    await worksAgain();
  });

  test('that the work has swallowed makes the transaction fail: a COMMIT of what failed is no success', async () => {
    const work = async (tx: Transaction): Promise<string> => {
      await tx.query(NOTE, [1, 'before']);
      await tx.query(DIVIDE, [0]).catch(() => undefined);
      return 'done';
    };
    expect(await faultOf(session.transaction(work))).toMatchObject({ state: '22012' });
    expect(await notes()).toEqual([]);
    await worksAgain();
  });

  test('of the commit itself is a failure', async () => {
    const fault = await faultOf(session.transaction(async (tx) => tx.run(PAIR, [])));
    expect(fault).toMatchObject({ state: '23503', causedByData: true });
    await worksAgain();
  });

  test('of our own code rolls back and stays what it is', async () => {
    class Ours extends Error {}
    const fault = await faultOf(
      session.transaction(async (tx) => {
        tx.run(NOTE, [1, 'before']);
        throw new Ours();
      }),
    );
    expect(fault).toBeInstanceOf(Ours);
    expect(await notes()).toEqual([]);
    await worksAgain();
  });
});

describe('a connection lost', () => {
  const lost = expect.objectContaining({ transient: true, state: undefined }) as unknown;

  test('before the transaction costs that transaction nothing or one try', async () => {
    await session.transaction((tx) => tx.query(DIVIDE, [1]));
    proxy.cut();
    await expect.poll(() => proxy.connections).toBe(0);
    await worksAgain();
  });

  test('while nothing can be reached is a transient fault, until somebody answers again', async () => {
    const { port } = new URL(proxy.url);
    await proxy.close();
    expect(await faultOf(session.transaction((tx) => tx.query(DIVIDE, [1])))).toEqual(lost);
    expect(await faultOf(session.query(DIVIDE, [1]))).toEqual(lost);
    proxy = await CutProxy.open(probe.url, Number(port));
    await worksAgain();
  });

  test('after BEGIN, with a statement in flight, or between statements is a transient fault and leaves nothing', async () => {
    const moments: ((tx: Transaction) => Promise<unknown>)[] = [
      async (tx) => {
        tx.run(NOTE, [1, 'sent']);
        proxy.cut();
        return tx.query(NOTE, [2, 'sent after']);
      },
      async (tx) => {
        tx.run(NOTE, [1, 'sent']);
        const sleeping = tx.query(SLEEP, [5]);
        await expect.poll(asleep).toBe(1);
        proxy.cut();
        return sleeping;
      },
      async (tx) => {
        await tx.query(NOTE, [1, 'done']);
        proxy.cut();
        await expect.poll(() => proxy.connections).toBe(0);
        return tx.query(NOTE, [2, 'sent to nobody']);
      },
      async (tx) => {
        await tx.query(NOTE, [1, 'done']);
        proxy.cut();
        await expect.poll(() => proxy.connections).toBe(0);
        return 'to be committed';
      },
    ];
    for (const moment of moments) {
      expect(await faultOf(session.transaction(moment))).toEqual(lost);
      expect(await notes()).toEqual([]);
      await session.transaction((tx) => tx.query(DIVIDE, [1]));
    }
    expect(proxy.connections).toBe(1);
  });

  async function asleep(): Promise<number> {
    const rows = await probe.query(
      `select from pg_stat_activity where application_name = 'lastro session test' and query like '%pg_sleep%' and state = 'active'`,
    );
    return rows.length;
  }

  test('with the commit under way is a transient fault, although the commit has happened', async () => {
    await session.query(DIVIDE, [1]);
    const committed = proxy.loseAnswerTo('commit');
    const answer = faultOf(session.transaction((tx) => tx.query(NOTE, [1, 'unknown'])));
    await committed;
    await expect.poll(notes).toEqual([{ id: 1 }]);
    proxy.cut();
    expect(await answer).toEqual(lost);
    proxy.restore();
    await worksAgain();
  });

  test('without a word is given up after 8 s', async () => {
    await session.transaction((tx) => tx.query(DIVIDE, [1]));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      proxy.silence();
      const answer = faultOf(session.transaction((tx) => tx.query(DIVIDE, [1])));
      await vi.advanceTimersByTimeAsync(8000);
      expect(await answer).toEqual(lost);
    } finally {
      vi.useRealTimers();
      proxy.restore();
    }
    await worksAgain();
  });

  test('by an administrator’s hand says so and is transient', async () => {
    const fault = await faultOf(
      session.transaction(async (tx) => {
        await tx.query(NOTE, [1, 'done']);
        await probe.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lastro session test'`,
        );
        return tx.query(NOTE, [2, 'behind']);
      }),
    );
    expect(fault).toMatchObject({ transient: true });
    expect(await notes()).toEqual([]);
    await worksAgain();
  });
});

test('a server that lets nobody in is as one that is away, for sessions and for reads', async () => {
  const url = new URL(proxy.url);
  url.pathname = '/no_such_database';
  const message: unknown = expect.stringMatching(/no_such_database/);
  const expected = { transient: true, state: undefined, causedByData: false, message };
  const refused = new Session({ url: url.href, name: 'session test' });
  expect(await faultOf(refused.query(DIVIDE, [1]))).toMatchObject(expected);
  expect(await faultOf(refused.transaction((tx) => tx.query(DIVIDE, [1])))).toMatchObject(expected);
  const reads = new ReadPool({ url: url.href, onError: () => undefined, connections: 1 });
  expect(await faultOf(reads.query('select 1', []))).toMatchObject(expected);
  await reads.close();
  // The role is asked for as it connects: a value that is wrong there is nobody's data.
  const roleless = new Session({ url: proxy.url, name: 'session test', role: 'no_such_role' });
  const absent: unknown = expect.stringMatching(/no_such_role/);
  expect(await faultOf(roleless.query(DIVIDE, [1]))).toMatchObject({ ...expected, message: absent });
});

describe('R7', () => {
  const SETTINGS = statement(
    'tests.settings',
    `select name, setting from pg_settings where name = any ($1) union all select 'role', current_user`,
  );

  const wanted = {
    client_connection_check_interval: '1000',
    idle_in_transaction_session_timeout: '3000',
    jit: 'off',
    lock_timeout: '2000',
    plan_cache_mode: 'force_generic_plan',
    role: 'lastro_service',
    statement_timeout: '5000',
    synchronous_commit: 'on',
    tcp_keepalives_count: '3',
    tcp_keepalives_idle: '10',
    tcp_keepalives_interval: '5',
    tcp_user_timeout: '5000',
    TimeZone: 'UTC',
  };

  async function settingsOf(asked: Session, names: readonly string[] = Object.keys(wanted)) {
    const rows = await asked.query<{ name: string; setting: string }>(SETTINGS, [names]);
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  }

  test('sessions protect themselves, and commit durably whatever the server’s default', async () => {
    expect(await settingsOf(session)).toEqual(wanted);
  });

  test('what the URL asks for takes none of it away, and holds beside it', async () => {
    const url = new URL(proxy.url);
    url.searchParams.set('options', '-c synchronous_commit=off -c work_mem=5MB');
    url.searchParams.set('statement_timeout', '60000');
    url.searchParams.set('lock_timeout', '60000');
    url.searchParams.set('idle_in_transaction_session_timeout', '60000');
    url.searchParams.set('application_name', 'somebody');
    const asked = new Session({ url: url.href, name: 'session test' });
    expect(await settingsOf(asked, [...Object.keys(wanted), 'application_name', 'work_mem'])).toEqual({
      ...wanted,
      application_name: 'lastro session test',
      work_mem: '5120',
    });
    await asked.close();
  });

  test('a session whose process is stopped within a transaction gives its locks up by itself', async () => {
    await probe.query(`insert into probe.notes values (1, 'locked')`);
    const work = session.transaction(async (tx) => {
      await tx.query(statement('tests.lock', 'select from probe.notes for update'), []);
      const startedAt = performance.now();
      await expect.poll(unlocked).toBe(true);
      expect(performance.now() - startedAt).toBeGreaterThan(1000);
    });
    expect(await faultOf(work)).toMatchObject({ transient: true });
    await worksAgain();
  });

  async function unlocked(): Promise<boolean> {
    const rows = await probe.query('select from probe.notes for update skip locked');
    return rows.length === 1;
  }

  test('the role of the services can add to the books and never change them', async () => {
    const tables = await probe.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
       where c.relkind in ('r', 'p') and n.nspname in ('source', 'second', 'target')
         and coalesce(parent.relname, c.relname) in ('events', 'batches')`,
    );
    expect(tables.length).toBeGreaterThan(6);
    const attempts = tables.flatMap(({ name }) => [
      `update ${name} set partition = 0`,
      `delete from ${name}`,
      `truncate ${name}`,
    ]);
    for (const text of [...attempts, 'drop table source.events']) {
      const fault = await faultOf(session.query(statement(`tests.${text}`, text), []));
      expect({ text, fault }).toMatchObject({ text, fault: { state: '42501' } });
    }
  });
});

describe('behind a failover', () => {
  test('a standby is not stayed with: the next connection finds the primary', async () => {
    proxy.becomeStandby();
    const fault = { state: '25006', transient: true, message: 'the server is a standby: it takes no writes' };
    expect(await faultOf(session.query(DIVIDE, [1]))).toMatchObject(fault);
    const onError = vi.fn<(error: unknown) => void>();
    const reads = new ReadPool({ url: proxy.url, onError, connections: 1 });
    expect(await faultOf(reads.query('select 1', []))).toMatchObject(fault);
    await expect.poll(() => proxy.connections).toBe(0);
    proxy.restore();
    expect(await reads.query('select 1 as one', [])).toEqual([{ one: 1 }]);
    await reads.close();
    await expect.poll(() => proxy.connections).toBe(0);
    await worksAgain();
  });

  test('a proof may be made of a standby', async () => {
    proxy.becomeStandby();
    const connection = new Connection(connectionOptions({ url: proxy.url, name: 'copy' }, 'reads'), {
      wanted: 'any',
    });
    const client = await connection.open();
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await connection.close();
  });

  test.each([
    ['a statement', () => session.query(NOTE, [1, 'alone'])],
    ['a transaction', () => session.transaction((tx) => tx.query(NOTE, [1, 'within']))],
  ])(
    '%s that a server has refused which then vanishes is tried on another connection at once',
    async (_what, write) => {
      await takeWrites('set default_transaction_read_only = on');
      proxy.vanishAtGoodbye();
      const first = await faultOf(write());
      await takeWrites('reset default_transaction_read_only');
      expect(first).toMatchObject({ state: '25006', transient: true });
      await write();
      proxy.restore();
      proxy.cut();
      expect(await notes()).toEqual([{ id: 1 }]);
    },
  );

  test.each([
    ['a statement', () => session.query(NOTE, [1, 'alone'])],
    ['a transaction', () => session.transaction((tx) => tx.query(NOTE, [1, 'within']))],
  ])('%s that a read-only server has refused is tried on another connection', async (_what, write) => {
    await takeWrites('set default_transaction_read_only = on');
    const first = await faultOf(write());
    await takeWrites('reset default_transaction_read_only');
    expect(first).toMatchObject({ state: '25006', transient: true });
    await write();
    expect(await notes()).toEqual([{ id: 1 }]);
  });
});

test('numbers beyond 2^53 arrive exactly, instants as milliseconds, dates as they are written', async () => {
  const [row] = await session.query(
    statement(
      'tests.types',
      `select 9223372036854775807::bigint as big, '2026-03-01 12:00:00.123456+02'::timestamptz as instant,
              '1969-12-31 23:59:59.5+00'::timestamptz as before,
              '0001-01-01 00:00:00+00'::timestamptz as first, '2026-03-01'::date as day, 7::smallint as small`,
    ),
    [],
  );
  expect(row).toEqual({
    big: 9_223_372_036_854_775_807n,
    instant: Date.UTC(2026, 2, 1, 10, 0, 0, 123),
    before: -500,
    first: Date.parse('0001-01-01T00:00:00.000Z'),
    day: '2026-03-01',
    small: 7,
  });
});

test('a fault says what kind it is', async () => {
  expect(await faultOf(session.query(DIVIDE, [0]))).toBeInstanceOf(DatabaseFault);
  expect(await faultOf(session.query(statement('tests.nonsense', 'select nonsense'), []))).toMatchObject({
    state: '42703',
    transient: false,
    causedByData: false,
  });
});

test('a session that the server ends for its idleness, just when it was asked, is another one’s the next time', async () => {
  const end = `do $$ begin raise exception 'terminating connection due to idle-session timeout' using errcode = '57P05'; end $$`;
  const fault = await faultOf(session.query(statement('tests.idle', end), []));
  expect(fault).toMatchObject({ state: '57P05', transient: true });
});

test('closing ends the connection, and the session opens another when it is needed again', async () => {
  await session.query(DIVIDE, [1]);
  await session.close();
  await expect.poll(() => proxy.connections).toBe(0);
  await worksAgain();
});

test('who is closed waits for no goodbye of a server that has vanished', async () => {
  const reads = new ReadPool({ url: proxy.url, onError: () => undefined, connections: 1 });
  await reads.query('select 1', []);
  await session.query(DIVIDE, [1]);
  expect(proxy.connections).toBe(2);
  proxy.vanishAtGoodbye();
  await Promise.all([session.close(), reads.close()]);
});

test('closing a session whose connection is lost already is no failure', async () => {
  await session.query(DIVIDE, [1]);
  proxy.cut();
  await session.close();
  const client = new Client({ connectionString: probe.url });
  await client.connect();
  await client.end();
  expect(proxy.connections).toBe(0);
});
