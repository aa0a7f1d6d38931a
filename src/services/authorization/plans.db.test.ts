import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { causationsStatement } from '#platform/log/own-effects.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { hotPlan, statementsOf } from '../../../tests/query-plan.ts';
import { TAKE_DUE } from './ask-again.ts';
import * as store from './store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

const SAGAS = ['sagas_pkey'];
const REFUNDS = ['refund_sagas_pkey'];
const COMPENSATIONS = ['compensations_pkey'];

/** Each statement with the indexes it stands on, in both states of the tables. */
const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [store.FIND_SAGAS, SAGAS],
  [store.INSERT_SAGAS, []],
  [store.UPDATE_SAGAS, SAGAS],
  [store.FIND_REFUND_SAGAS, REFUNDS],
  [store.INSERT_REFUND_SAGAS, []],
  [store.UPDATE_REFUND_SAGAS, REFUNDS],
  [store.FIND_COMPENSATIONS, COMPENSATIONS],
  [store.KEEP_COMPENSATIONS, []],
  [store.END_COMPENSATIONS, COMPENSATIONS],
  [TAKE_DUE, ['compensations_retry']],
  [causationsStatement('authorization'), ['events_subject']],
];

let database: TestDatabase;
let owner: Client;

beforeAll(async () => {
  database = await createPreparedDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  await owner.query('vacuum analyze');
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

test('every statement of the store is pinned here', () => {
  const statements = statementsOf(store);
  const pinned = new Set(HOT.map(([{ name }]) => name));
  expect(statements.filter(({ name }) => !pinned.has(name))).toEqual([]);
});

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(database.url, statement);
    const named = plan.indexes.map((index) =>
      /^events_\d{6}_subject_idx$/.test(index) ? 'events_subject' : index,
    );
    expect({ indexes: [...new Set(named)], faults: plan.faults, sorts: plan.sorts }).toEqual({
      indexes,
      faults: [],
      sorts: [],
    });
  });
}

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();
});

/** Of what is being undone most is under way, and some waits to be asked for again. */
async function fill(): Promise<void> {
  const n = `generate_series(1, ${ROWS}) n`;
  await owner.query(
    `insert into "authorization".sagas
     select gen_random_uuid(), 'payment.gateway/1', 'completed', 'w', 's', 1, 'USD', 'gateway', now() from ${n};
     insert into "authorization".refund_sagas
     select gen_random_uuid(), gen_random_uuid(), 'refund.gateway/1', 'completed', 'w', 's', 1, 'USD', 'gateway', now() from ${n};
     insert into "authorization".compensations
     select gen_random_uuid(), '["reverse_posting"]', 'c', 'd', 1,
            case when n % 3 = 0 then now() + n * interval '1 second' end, '{}', now() from ${n};
     insert into "authorization".events
     select 0, n, 'tick', 1, 'pay_' || n, 'acme', 'k', '{}', now(), 'c', 'r' from ${n}`,
  );
  await owner.query('vacuum analyze');
}
