import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { makeRoom, PartitionsDiffer, prepareInstallation } from '#platform/log/installation.ts';
import { rangeMaintenance } from '#platform/log/maintenance.ts';
import { requireOwnSessions, unmetRequirements } from '#platform/postgres/server-requirements.ts';
import { SERVICE_ROLE } from '#platform/postgres/session.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { CutProxy } from './cut-proxy.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { PATIENCE } from './patience.ts';

let database: TestDatabase;
let owner: Client;

beforeEach(async () => {
  database = await createProductDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
});

afterEach(async () => {
  await owner.end();
  await database.drop();
});

test('processes that start at once prepare one installation', async () => {
  await Promise.all(Array.from({ length: 6 }, () => prepareInstallation(database.url, TOPOLOGY, 4)));
  const { rows } = await owner.query(
    `select (select count(*) from log.heads)::int as heads, (select count(*) from log.positions)::int as positions,
            (select count(*) from log.leases)::int as leases`,
  );
  const readings = TOPOLOGY.groups.flatMap(({ topics }) => topics).length;
  expect(rows).toEqual([
    { heads: TOPOLOGY.topics.length * 4, positions: readings * 4, leases: TOPOLOGY.groups.length * 4 },
  ]);
});

test('maintenance of several processes at once makes the same room', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  await owner.query(`update log.heads set position = 3::bigint << 22`);
  const clients = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      return client;
    }),
  );
  try {
    await Promise.all(clients.map((client) => makeRoom(client, TOPOLOGY)));
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
  const { rows } = await owner.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'payments.events'::regclass order by 1`,
  );
  const names = rows.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['payments.events_000003', 'payments.events_000004']));
  expect(new Set(names).size).toBe(names.length);
});

test('another number of partitions than the installation was made with is refused, and changes nothing', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  await expect(prepareInstallation(database.url, TOPOLOGY, 8)).rejects.toBeInstanceOf(PartitionsDiffer);
  const { rows } = await owner.query('select max(partition)::int as last from log.heads');
  expect(rows).toEqual([{ last: 3 }]);
});

test('preparing again moves no position and takes no lease away', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  await owner.query(
    `update log.positions set position = 7; update log.leases set owner = 'prc_1', epoch = 3`,
  );
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const { rows } = await owner.query(
    `select (select array_agg(distinct position::int) from log.positions) as positions,
            (select array_agg(distinct owner) from log.leases) as owners`,
  );
  expect(rows).toEqual([{ positions: [7], owners: ['prc_1'] }]);
});

test('a group that is new to an old log begins at its beginning, or at its end if nothing before can concern it', async () => {
  const { groups, ...others } = TOPOLOGY;
  await prepareInstallation(database.url, { ...others, groups: [] }, 4);
  await owner.query(`update log.heads set position = 10 + partition where topic = 'authorization'`);
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const { rows } = await owner.query<{ group: string; positions: number[] }>(
    `select consumer_group as group, array_agg(position::int order by partition) as positions
     from log.positions where topic = 'authorization' group by 1`,
  );
  expect(new Map(rows.map(({ group, positions }) => [group, positions]))).toEqual(
    new Map(
      groups
        .filter(({ topics }) => topics.includes('authorization'))
        .map(({ group, beginsAt }) => [group, beginsAt === 'end' ? [10, 11, 12, 13] : [0, 0, 0, 0]]),
    ),
  );
});

test('R6: a lost position is made at the beginning of its log, but not where a person had events passed over', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  await owner.query(`update log.heads set position = 10`);
  await owner.query(`update log.positions set position = 10`);
  await owner.query(
    `insert into log.abandoned_events values ('providers', 'authorization', 2, 7, gen_random_uuid())`,
  );
  await owner.query(`delete from log.positions where consumer_group = 'providers' and partition in (1, 2)`);
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const { rows } = await owner.query(
    `select partition, position::int from log.positions where consumer_group = 'providers' order by partition`,
  );
  expect(rows).toEqual([
    { partition: 0, position: 10 },
    { partition: 1, position: 0 },
    { partition: 3, position: 10 },
  ]);
});

test('R7: of the logs and of what is named append-only, and of nothing else, the services can change or delete no row', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const { rows } = await owner.query<{ table: string }>(
    `select distinct n.nspname || '.' || coalesce(parent.relname, c.relname) as table
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
     where n.nspname = any($1) and c.relkind in ('r', 'p') and has_table_privilege($2, c.oid, 'insert')
       and not has_table_privilege($2, c.oid, 'update, delete')`,
    [['log', ...TOPOLOGY.schemas], SERVICE_ROLE],
  );
  const logs = TOPOLOGY.topics.flatMap((topic) => [`${topic}.events`, `${topic}.batches`]);
  const expected = [...logs, ...TOPOLOGY.appendOnly, 'log.dead_letter_actions'];
  expect(rows.map(({ table }) => table).toSorted()).toEqual(expected.toSorted());
});

test('a user who may not give the services their role is told what to ask an administrator for, and needs no more', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const user = `plain_${randomUUID().replaceAll('-', '')}`;
  await owner.query(`create role ${user} login password 'secret'`);
  try {
    for (const schema of ['log', ...TOPOLOGY.schemas])
      await owner.query(
        `grant all on schema "${schema}" to ${user}; grant all on all tables in schema "${schema}" to ${user}`,
      );
    const url = new URL(database.url);
    [url.username, url.password] = [user, 'secret'];
    const advice = `create role ${SERVICE_ROLE} nologin; grant ${SERVICE_ROLE} to`;
    await expect(prepareInstallation(url.href, TOPOLOGY, 4)).rejects.toThrow(advice);

    await owner.query(`grant ${SERVICE_ROLE} to ${user}`);
    await prepareInstallation(url.href, TOPOLOGY, 4);
  } finally {
    await owner.query(`drop owned by ${user}`);
    await owner.query(`drop role ${user}`);
  }
});

test('a turn of maintenance that is not let in gives up, and holds up no stop', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  await owner.query('select pg_advisory_lock(7823654210)'); // as a process that was stopped in its preparation
  const errors: unknown[] = [];
  const maintenance = rangeMaintenance({
    url: database.url,
    topology: TOPOLOGY,
    random: Math.random,
    everyMs: 100,
    onError: (error) => errors.push(error),
  });
  maintenance.start();
  await vi.waitUntil(() => errors.length > 0, PATIENCE);
  await maintenance.stop();
  expect(String(errors[0])).toMatch(/lock timeout/);
});

test('a pooler that passes over what sessions ask for is refused, and the server itself is not', async () => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const pooler = await CutProxy.open(database.url);
  await requireOwnSessions(pooler.url);
  pooler.dropOptions();
  await expect(requireOwnSessions(pooler.url)).rejects.toThrow(
    /^a session runs as \w+ and not as lastro_service: .*; connect to the server itself, not through a pooler$/,
  );
  await pooler.close();
});

/** Without a listener the lost connection of `pg` is an uncaught error, which fails the run as it would end a process. */
test.each([
  ['the requirements', 'pg_settings', (url: string) => unmetRequirements(url)],
  ['the preparation', 'pg_advisory_xact_lock', (url: string) => prepareInstallation(url, TOPOLOGY, 4)],
  ['a turn of maintenance', 'pg_advisory_xact_lock', maintainOnce],
])('a connection that is lost in %s fails that, and not the process', async (_what, text, work) => {
  await prepareInstallation(database.url, TOPOLOGY, 4);
  const proxy = await CutProxy.open(database.url);
  const asked = proxy.loseAnswerTo(text);
  const failed = work(proxy.url).catch((error: unknown) => error);
  await asked;
  proxy.cut();
  expect(await failed).toBeInstanceOf(Error);
  await proxy.close();
});

async function maintainOnce(url: string): Promise<void> {
  let failure: unknown;
  const maintenance = rangeMaintenance({
    url,
    topology: TOPOLOGY,
    random: Math.random,
    everyMs: 100,
    onError: (error) => {
      failure ??= error;
    },
  });
  maintenance.start();
  await vi.waitUntil(() => failure !== undefined, PATIENCE);
  // A turn that has begun meanwhile ends with the proxy.
  void maintenance.stop();
  throw failure;
}
