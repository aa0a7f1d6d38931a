/**
 * A database of a yardstick's own on the server that the product runs on, with the product's tables: they are made by
 * its migration files, read as they are.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

export const PARTITIONS = 16;
export const TENANT = 'bench';
const LOG_SCHEMA = 'log';
const MONTHS = 2;
/** Of the day that each account has already. */
export const FIRST_COUNT = 1;

/** What another database on the same server is called. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

/** Makes the database anew. */
export async function createDatabase(serverUrl: string, name: string): Promise<string> {
  await withClient(serverUrl, async (client) => {
    await client.query(`drop database if exists ${name} with (force)`);
    await client.query(`create database ${name}`);
  });
  return databaseUrl(serverUrl, name);
}

export function dropDatabase(serverUrl: string, name: string): Promise<void> {
  return withClient(serverUrl, async (client) => {
    await client.query(`drop database if exists ${name} with (force)`);
  });
}

/** So that no yardstick and no scenario pays for the dirty pages of the one before. */
export function checkpoint(serverUrl: string): Promise<void> {
  return withClient(serverUrl, async (client) => {
    await client.query('checkpoint');
  });
}

/** The product's schemas, the heads of its topics, and accounts with money: keys 1 to `wallets`, then the services. */
export async function prepareSchema(
  url: string,
  options: { root: string; wallets: number; services: number },
): Promise<void> {
  await withClient(url, async (client) => {
    for (const { schema, sql } of loadMigrations(options.root)) await applyMigration(client, schema, sql);
    await client.query(
      `insert into log.heads (topic, partition, position, chain)
       select t.nspname, p, 0, log.genesis(t.nspname, p)
       from (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relname = 'batches' and c.relkind = 'r') t, generate_series(0, $1::int - 1) as p`,
      [PARTITIONS],
    );
    for (let month = 0; month < MONTHS; month += 1) {
      await client.query(
        `select ledger.add_posting_month(first), consolidation.add_version_month(first)
         from (select (date_trunc('month', now() at time zone 'UTC') + make_interval(months => $1))::date as first) as month`,
        [month],
      );
    }
    await insertAccounts(client, options);
    await client.query('vacuum analyze');
  });
}

async function insertAccounts(
  client: pg.Client,
  { wallets, services }: { wallets: number; services: number },
): Promise<void> {
  await client.query(
    `insert into ledger.accounts (key, tenant, id, kind, currency, floor, time_zone, opened_at)
     select n, $1, case when n <= $2 then 'w-' || n else 's-' || n end,
            case when n <= $2 then 'wallet' else 'service' end, 'USD', 0, 'UTC', now()
     from generate_series(1, $2::int + $3::int) as n`,
    [TENANT, wallets, services],
  );
  await client.query(
    `insert into ledger.balances (account_key, status, posted, held, sequence, last_posted_at)
     select key, 'open', case kind when 'wallet' then 1000000000000 else 0 end, 0, 0, now() from ledger.accounts`,
  );
  await insertDays(client);
}

/** In the middle of a day: each account has a day already, as after its first payment. */
async function insertDays(client: pg.Client): Promise<void> {
  await client.query(
    `insert into consolidation.accounts (key, tenant, id, kind, currency, time_zone, opened_at) overriding system value
     select key, tenant, id, kind, currency, time_zone, opened_at from ledger.accounts`,
  );
  await client.query(
    `insert into consolidation.standings (account_key, sequence, last_day, change)
     select key, 1, (now() at time zone 'UTC')::date, 1 from ledger.accounts`,
  );
  await client.query(
    `insert into consolidation.days (account_key, day, version, opening, credits, debits, count, closing, hash, cause, as_of)
     select account_key, (now() at time zone 'UTC')::date, 1, posted, 0, 0, $1::int, posted, '', 'ledger/0/1', now()
     from ledger.balances`,
    [FIRST_COUNT],
  );
}

/** The log first, then the ledger, since the others' migrations call them. */
function loadMigrations(root: string): { schema: string; sql: string }[] {
  const others = readdirSync(join(root, 'src/services')).filter((name) => name !== 'ledger');
  const services = ['ledger', ...others.toSorted()];
  const sources = [
    { schema: LOG_SCHEMA, folder: join(root, 'src/platform/log/migrations') },
    ...services.map((schema) => ({ schema, folder: join(root, 'src/services', schema, 'migrations') })),
  ];
  return sources.flatMap(({ schema, folder }) =>
    listSqlFiles(folder).map((path) => ({ schema, sql: readFileSync(path, 'utf8') })),
  );
}

function listSqlFiles(folder: string): string[] {
  const names = readdirSync(folder, { withFileTypes: true }).map((entry) => entry.name);
  return names
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
    .map((name) => join(folder, name));
}

async function applyMigration(client: pg.Client, schema: string, sql: string): Promise<void> {
  await client.query(`create schema if not exists "${schema}"`);
  await client.query(`set search_path to "${schema}"`);
  await client.query(sql);
  await client.query('reset search_path');
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'lastro bench' });
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
