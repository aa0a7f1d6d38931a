/**
 * Makes a migrated database ready for its services: the heads of all topics, the positions and leases of all consumer
 * groups, the role without power over the books, and room in the range tables. Idempotent; every start calls it.
 */
import pg from 'pg';
import { Fault } from '#kernel/fault.ts';
import { SERVICE_ROLE } from '../postgres/session.ts';

/** Which topics there are, who reads them, and in which schemas. */
export interface Topology {
  readonly schemas: readonly string[];
  readonly topics: readonly string[];
  readonly groups: readonly {
    readonly group: string;
    readonly topics: readonly string[];
    /**
     * Where the group begins in a log that is older than itself: at its beginning, or, if nothing that was said before it
     * existed can concern it, at its end.
     */
    readonly beginsAt?: 'end';
  }[];
  /** Tables beside the logs, `schema.table`, that nobody updates or deletes from (R7). */
  readonly appendOnly: readonly string[];
  /** Functions, `schema.function`, that make a table's range for the month that begins on a date, if it lacks. */
  readonly monthly: readonly string[];
}

/** What the log itself adds to and never changes: in every topic's schema, and in its own. */
const LOG_TABLES = ['events', 'batches'];
const ACTIONS_TABLE = 'log.dead_letter_actions';
/** Serialises the preparation of processes that start at once. */
const PREPARATION_LOCK = 7_823_654_210;

export class PartitionsDiffer extends Error {}

/** `url` is the owner's. Throws `PartitionsDiffer` if the installation was made with another number of partitions. */
export async function prepareInstallation(
  url: string,
  topology: Topology,
  partitions: number,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'lastro prepare' });
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [PREPARATION_LOCK]);
    await recordPartitions(client, partitions);
    await ensureRows(client, topology);
    await ensureRole(client, topology);
    await client.query('commit');
    await makeRoom(client, topology);
  } finally {
    await client.end();
  }
}

async function recordPartitions(client: pg.Client, partitions: number): Promise<void> {
  await client.query('insert into log.installation (partitions) values ($1) on conflict do nothing', [
    partitions,
  ]);
  const { rows } = await client.query<{ partitions: number }>('select partitions from log.installation');
  const recorded = rows[0]?.partitions;
  if (recorded !== partitions) {
    throw new PartitionsDiffer(
      `this database was created with ${recorded} partitions and LASTRO_PARTITIONS is ${partitions}: the number is ` +
        `constant for the life of an installation, so set it to ${recorded}`,
    );
  }
}

async function ensureRows(client: pg.Client, topology: Topology): Promise<void> {
  await client.query(
    `insert into log.heads (topic, partition, position, chain)
     select topic, partition, 0, log.genesis(topic, partition)
     from unnest($1::text[]) as t(topic), generate_series(0, (select partitions from log.installation) - 1) as p(partition)
     on conflict do nothing`,
    [topology.topics],
  );
  const pairs = topology.groups.flatMap(({ group, topics, beginsAt }) =>
    topics.map((topic) => ({ group, topic, atEnd: beginsAt === 'end' })),
  );
  // A group that reads the topic already has lost the position: it begins at the beginning, wherever it began once. Where a
  // person had it pass over events for good it would act on them, so nothing is made, and its worker says so.
  await client.query(
    `insert into log.positions (consumer_group, topic, partition, position)
     select g.consumer_group, h.topic, h.partition, case when g.at_end and not reads.already then h.position else 0 end
     from unnest($1::text[], $2::text[], $3::boolean[]) as g(consumer_group, topic, at_end)
     join log.heads h on h.topic = g.topic
     cross join lateral (
       select exists (
         select from log.positions p where p.consumer_group = g.consumer_group and p.topic = g.topic
       ) as already
     ) reads
     where not exists (
       select from log.abandoned_events a
       where a.consumer_group = g.consumer_group and a.topic = h.topic and a.partition = h.partition)
     on conflict do nothing`,
    [pairs.map((pair) => pair.group), pairs.map((pair) => pair.topic), pairs.map((pair) => pair.atEnd)],
  );
  await client.query(
    `insert into log.leases (consumer_group, partition)
     select consumer_group, partition
     from unnest($1::text[]) as g(consumer_group), generate_series(0, (select partitions from log.installation) - 1) as p(partition)
     on conflict do nothing`,
    [topology.groups.map(({ group }) => group)],
  );
}

/** R7: what runs the services can add to the books and never change them. */
async function ensureRole(client: pg.Client, topology: Topology): Promise<void> {
  // A role belongs to the whole server: another database's preparation may be making it at this moment. Where an
  // administrator has made it, nobody needs the privilege to.
  await client
    .query(
      `do $$ begin
         if not exists (select from pg_roles where rolname = '${SERVICE_ROLE}') then
           create role ${SERVICE_ROLE} nologin;
         end if;
       exception when duplicate_object or unique_violation then null;
       end $$`,
    )
    .catch(adviseOnRole);
  const { rows: member } = await client.query<{ is: boolean }>(
    // Before 16 every member may set the role, and there is no such privilege to ask for.
    `select pg_has_role(current_user, $1, case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end) as is`,
    [SERVICE_ROLE],
  );
  if (member[0]?.is !== true) await client.query(`grant ${SERVICE_ROLE} to current_user`).catch(adviseOnRole);
  for (const schema of [...topology.schemas, 'log']) {
    await client.query(
      `grant usage on schema "${schema}" to ${SERVICE_ROLE};
       grant select, insert, update, delete on all tables in schema "${schema}" to ${SERVICE_ROLE};
       grant usage on all sequences in schema "${schema}" to ${SERVICE_ROLE}`,
    );
  }
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
     cross join lateral (select coalesce(parent.relname, c.relname) as relname) whole
     where c.relkind in ('r', 'p')
       and (n.nspname = any($1) and whole.relname = any($2) or n.nspname || '.' || whole.relname = any($3))`,
    [topology.schemas, LOG_TABLES, [...topology.appendOnly, ACTIONS_TABLE]],
  );
  for (const { name } of rows)
    await client.query(`revoke update, delete, truncate on ${name} from ${SERVICE_ROLE}`);
}

const INSUFFICIENT_PRIVILEGE = '42501';

function adviseOnRole(error: unknown): never {
  if (!(error instanceof pg.DatabaseError) || error.code !== INSUFFICIENT_PRIVILEGE) throw error;
  const advice = `let an administrator run: create role ${SERVICE_ROLE} nologin; grant ${SERVICE_ROLE} to <the user of LASTRO_DATABASE_URL>`;
  throw new Fault(`the services run as the role ${SERVICE_ROLE} (${error.message}); ${advice}`, {
    transient: false,
    cause: error,
  });
}

/**
 * Ranges ahead of every head, months ahead of the clock. Called at start and every few minutes (maintenance.ts), by any
 * number of processes: under the lock of the preparation, since two that make the same table fail in the catalogs.
 */
export async function makeRoom(
  client: pg.ClientBase,
  topology: Pick<Topology, 'topics' | 'monthly'>,
): Promise<void> {
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [PREPARATION_LOCK]);
    // The lock of an attach is brief; behind a long reader it gives up, and the next turn tries again.
    await client.query(`set local lock_timeout = '2s'`);
    await client.query(
      `select log.add_event_range(h.topic, ahead.number)
       from (select topic, (max(position) >> 22)::integer as range from log.heads where topic = any($1) group by topic) h,
            generate_series(h.range, h.range + 2) as ahead(number)`,
      [topology.topics],
    );
    const made = topology.monthly.map((add) => `${add}(first_day)`);
    await client.query(
      `select ${made.join(', ')}
       from (select (date_trunc('month', now() at time zone 'UTC') + make_interval(months => n))::date as first_day
             from generate_series(0, 2) as n) months`,
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
