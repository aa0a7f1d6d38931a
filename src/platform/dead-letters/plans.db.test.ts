import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareInstallation } from '#platform/log/installation.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { createProductDatabase, type TestDatabase } from '../../../tests/database.ts';
import { fillTables, hotPlan, statementsOf } from '../../../tests/query-plan.ts';
import * as bury from './bury.ts';
import * as commands from './command-store.ts';
import * as givenUp from './given-up.ts';
import * as orders from './order-store.ts';
import * as parked from './parked-keys.ts';
import * as redelivery from './redelivery.ts';
import * as returns from './returns.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

const STATEMENTS = statementsOf(bury, commands, givenUp, orders, parked, redelivery, returns);

/**
 * Read whole, in the order of an index: tables that hold only what is to be done (orders, keys worked off), or what a group has
 * parked, which is bounded (bury.ts).
 */
const WHOLE: ReadonlySet<string> = new Set([
  orders.FIND_ORDERS.name,
  orders.FIND_UNLOCKED_KEYS.name,
  commands.LOAD_OPEN.name,
  parked.FIND_PARKED_PARTITIONS.name,
]);

let database: TestDatabase;

beforeAll(async () => {
  database = await createProductDatabase();
  await prepareInstallation(
    database.url,
    { schemas: [], topics: [], groups: [], appendOnly: [], monthly: [] },
    16,
  );
});

afterAll(() => database.drop());

function pinPlans(): void {
  test.each(STATEMENTS.filter(({ name }) => !WHOLE.has(name)))(
    '$name looks up, whatever it is given',
    async (statement) => {
      expect(await hotPlan(database.url, statement)).toMatchObject({ faults: [] });
    },
  );
}

test('no statement fails in a live session when a migration adds a column', async () => {
  const tables = [
    'dead_letters',
    'parked_keys',
    'parked_events',
    'abandoned_events',
    'redeliveries',
    'pending_redeliveries',
    'dead_letter_replays',
    'dead_letter_actions',
  ].map((name) => `log.${name}`);
  // They are given no rows, which an insert does not take.
  const statements = STATEMENTS.filter(({ text }) => !/\binsert into\b/.test(text));
  expect(await failuresByAddedColumn(database.url, { tables, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(() => fillTables(database.url, FILL));

  pinPlans();
});

const FILL = `
  insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                error_code, error, attempts, state, failed_first_at, failed_last_at)
  select gen_random_uuid(), 'ledger', n % 16, 'k' || n, 'payments', n, 'acme', 's' || n, 't', 1, 'E', 'e', 3, 'open', now(), now()
  from generate_series(1, ${ROWS}) n;
  insert into log.parked_keys
  select consumer_group, partition, parking_key, id, topic, position, now() from log.dead_letters;
  insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                error_code, error, attempts, state, failed_first_at, failed_last_at, target, work, waits_for)
  select gen_random_uuid(), 'webhooks', n % 16, 'w' || n, 'payments', n, 'acme', 's' || n, 't', 1, 'E', 'e', 3, 'open', now(), now(),
         'whe', 'w' || n, 'webhooks/' || n % 100
  from generate_series(1, ${ROWS}) n;
  insert into log.parked_events (consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                 correlation_id, parked_at)
  select consumer_group, partition, parking_key, topic, position + 1000000, tenant, subject, type, version, 'cor', now()
  from log.dead_letters;
  insert into log.abandoned_events
  select consumer_group, topic, partition, position, id from log.dead_letters;
  insert into log.redeliveries (id, consumer_group, topic, partition, position, action, dead_letter, requested_by, requested_at)
  select gen_random_uuid(), consumer_group, topic, partition, position, 'replay', id, 'x', now() from log.dead_letters;
  insert into log.pending_redeliveries select id, consumer_group, partition, dead_letter from log.redeliveries;
  insert into log.dead_letter_actions (dead_letter, at, action, actor) select id, now(), 'replayed', 'x' from log.dead_letters;
  insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version, error_code,
                                error, attempts, state, failed_first_at, failed_last_at, resolved_at, target, work)
  select gen_random_uuid(), 'webhooks', n % 16, 'r' || n, 'payments', n, 'acme', 's' || n, 't', 1, 'E', 'e', 3, 'replayed', now(),
         now(), now(), 'whe', 'r' || n
  from generate_series(1, ${ROWS} * 3) n`;
