import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { causationsStatement, lastEventsStatement } from '#platform/log/own-effects.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { ProvidersFixture, TENANT } from '../../../tests/providers-fixture.ts';
import { hotPlan, readPlan, statementsOf } from '../../../tests/query-plan.ts';
import { listAttempts } from './audit.ts';
import { AttemptReads } from './reads.ts';
import * as store from './store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 30_000;
const SUBJECTS = ['attempts_subject'];
const PLACES = ['events_000000_pkey', 'events_000001_pkey'];
const TIMELINE = ['events_000000_subject_idx', 'events_000001_subject_idx'];

/** Each hot statement with the indexes it stands on, in both states of the tables. */
const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [store.LOCK_SUBJECTS, SUBJECTS],
  [store.LOAD_ATTEMPTS, SUBJECTS],
  [store.INSERT_ATTEMPTS, []],
  [store.UPDATE_ATTEMPTS, ['attempts_pkey']],
  [store.FOLLOW_EVENTS, ['attempts_pkey', ...TIMELINE]],
  [causationsStatement('providers'), TIMELINE],
  [lastEventsStatement('authorization'), [...TIMELINE, ...PLACES]],
  [store.CLAIM_DUE, ['attempts_due']],
  [store.CLAIM_CHARGES, ['attempts_due']],
  [store.HASTEN_QUESTIONS, ['attempts_due']],
];

let world: ProvidersFixture;

beforeAll(async () => {
  world = await ProvidersFixture.open();
  await world.owner.query('analyze');
});

afterAll(() => world.close());

test('every statement of the store is pinned here', () => {
  const statements = statementsOf(store);
  const pinned = new Set(HOT.map(([{ name }]) => name));
  expect(statements.map(({ name }) => name).filter((name) => !pinned.has(name))).toEqual([]);
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const statements = HOT.map(([statement]) => statement);
  const tables = ['providers.attempts'];
  expect(await failuresByAddedColumn(world.database.url, { tables, statements })).toEqual([]);
});

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(world.database.url, statement);
    expect({
      indexes: new Set(plan.indexes.filter(isOfFirstRanges)),
      faults: plan.faults,
      sorts: plan.sorts,
    }).toEqual({
      indexes: new Set(indexes),
      faults: [],
      sorts: [],
    });
  });
}

/** A log has room for later positions, as many ranges as its maintenance has made. */
function isOfFirstRanges(index: string): boolean {
  return !/^events_0000(?:0[2-9]|[1-9]\d)/.test(index);
}

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();

  test.each([
    ['an attempt by its key', ['attempts_pkey'], (reads: AttemptReads) => reads.findByKey('alfa', KEY)],
    ['the attempts of a payment', SUBJECTS, (reads: AttemptReads) => reads.list(TENANT, 'pay_17')],
    ['what is unknown', ['attempts_due'], (reads: AttemptReads) => reads.countUnknown()],
  ])('%s: read by look-ups', async (_what, indexes, read) => {
    expect(await plansOf((reader) => read(new AttemptReads(reader)))).toEqual({ indexes, faults: [] });
  });

  test('a range of the audit is read by the index on subject', async () => {
    const plan = await plansOf((reader) => listAttempts(reader, [{ after: 'pay_17', upTo: 'pay_18' }]));
    expect(plan).toEqual({ indexes: SUBJECTS, faults: [] });
  });
});

const KEY = 'att_01h455vb4pex5vsknk084sn02q';

async function plansOf(
  read: (reader: {
    query<Row>(text: string, values: readonly unknown[]): Promise<Row[]>;
  }) => Promise<unknown>,
): Promise<{ indexes: readonly string[]; faults: readonly string[] }> {
  const asked: { text: string; values: readonly unknown[] }[] = [];
  await read({
    query: async (text, values) => {
      asked.push({ text, values });
      return [];
    },
  });
  const plans = await Promise.all(
    asked.map(({ text, values }) => readPlan(world.database.url, text, values)),
  );
  return {
    indexes: [...new Set(plans.flatMap(({ indexes }) => indexes))],
    // Counting what is due reads the whole of a small index: that is what it is for.
    faults: plans.flatMap(({ faults }) => faults).filter((fault) => !fault.includes('attempts_due')),
  };
}

async function fill(): Promise<void> {
  const n = `generate_series(1, ${ROWS}) n`;
  await world.owner.query(
    `insert into providers.attempts
     select gen_random_uuid(), '${TENANT}', 'pay_' || n, 'w', n % 4, 'charge', 'payment', null, 'alfa', '[]', 1, 1, 'USD',
            'approved', false, false, false, false, '', now(), case when n % 1000 = 0 then now() end, 1, 1, 0, now(), 'c',
            null, 'authorization/0/1', null, now(), now()
     from ${n}`,
  );
  for (const topic of ['providers', 'authorization'])
    await world.owner.query(
      `insert into "${topic}".events select 0, n, 'tick', 1, 'pay_' || n, '${TENANT}', 'k', '{}', now(), 'c', 'r' from ${n}`,
    );
  await world.owner.query('vacuum analyze');
}
