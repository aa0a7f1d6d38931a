import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { fillTables, hotPlan } from '../../../tests/query-plan.ts';
import { COUNT_FOLLOWED, COUNT_VERDICTS } from './census.ts';
import {
  CLAIM_DUE,
  CLOSE_UNSEEN,
  FIND_LIVE_OF_KINDS,
  LOCK_FINDING,
  LOCK_FINDINGS,
  NOTE_SEEN,
  SETTLE_FINDING,
} from './finding-store.ts';
import { FIND_OWNERS } from './sighting-owners.ts';
import { LIST_FOLLOWED, LIST_STAGE_FINDINGS } from './stage-sweeper.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

/** By which index each chore finds what it is after. The verdicts' and timelines' are pinned with those of all services. */
const CHORES = [
  [LOCK_FINDINGS, ['findings_subject']],
  [LOCK_FINDING, ['findings_pkey']],
  [NOTE_SEEN, ['findings_pkey']],
  [SETTLE_FINDING, ['findings_pkey']],
  [CLAIM_DUE, ['findings_due']],
  [LIST_FOLLOWED, ['followed_pkey']],
  [LIST_STAGE_FINDINGS, ['findings_live']],
  [COUNT_VERDICTS, ['verdicts_pkey']],
  [COUNT_FOLLOWED, ['followed_pkey']],
] as const;

/** Read whole: live findings, of which there are few. */
const WHOLE = [CLOSE_UNSEEN, FIND_LIVE_OF_KINDS] as const;

let database: TestDatabase;

beforeAll(async () => {
  database = await createPreparedDatabase();
});

afterAll(() => database.drop());

function pinPlans(): void {
  test.each(CHORES)('$0.name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(database.url, statement);
    expect({ indexes: plan.indexes, faults: plan.faults }).toEqual({ indexes, faults: [] });
  });

  test.each(WHOLE)('$name reads nothing but what is live', async (statement) => {
    expect((await hotPlan(database.url, statement)).indexes).toEqual(['findings_live']);
  });

  test('whose something is, is looked up by the subjects of events', async () => {
    const plan = await hotPlan(database.url, FIND_OWNERS);
    expect(plan.faults).toEqual([]);
    expect(plan.indexes.filter((index) => !/^events_\d{6}_subject_idx/.test(index))).toEqual([]);
  });
}

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(() =>
    fillTables(
      database.url,
      `insert into integrity.findings (id, tenant, kind, severity, subject, key, evidence, detail, source, first_seen_at,
                                       last_seen_at, seen, state, attempts, closed_by, closed_at)
       select gen_random_uuid(), 'acme', 'wrong_root', 'critical', 'pay_' || n, 'k', '[]', 'd', 'audit', now(), now(), 1,
              'resolved', 0, 'system', now()
       from generate_series(1, ${ROWS}) n;
       insert into integrity.verdicts
       select 'pay_' || n, 'acme', 'complete', '[]', '[]', now() from generate_series(1, ${ROWS}) n;
       insert into integrity.followed select 'pay_' || n, 'acme', '[]', now() from generate_series(1, ${ROWS}) n`,
    ),
  );

  pinPlans();
});
