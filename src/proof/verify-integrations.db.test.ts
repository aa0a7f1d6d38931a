/** An integration that nobody would ever go on with is found (U14). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPreparedDatabase, type TestDatabase } from '../../tests/database.ts';
import { ask } from '../../tests/redelivery.ts';
import { givenStanding } from '../../tests/standing-integration.ts';
import { verify } from './verify.ts';

const PARTITIONS = 4;

let database: TestDatabase;
let id: string;

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  const standing = await givenStanding({ url: database.url, partitions: PARTITIONS }, { status: 'enriched' });
  id = standing.id;
  await ask(
    database.url,
    `insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries,
                            is_unknown, history, due_at, give_up_at, timeout_ms, cause, origin, correlation_id, created_at)
     values ($1, 'delivery', 'acme', 'erp', 1, 'main', '{"message":"{}","route":"main"}', 'waiting', 1, false, '[]',
             now() + interval '1 hour', now() + interval '7 days', 1000, 'hub/0/1', $1, 'cor', now())`,
    [standing.uuid],
  );
});

afterAll(() => database.drop());

async function stalled(): Promise<string[]> {
  const { checks } = await verify({ url: database.url, scope: 'sagas', connections: 1 });
  const findings = checks.flatMap((check) => check.findings);
  return findings.filter(({ kind }) => kind === 'stalled_integration').map(({ subject }) => subject);
}

test('a call that is due within a week stalls nothing', async () => {
  expect(await stalled()).toEqual([]);
});

test.each([
  ['is never due', 'due_at = null', `due_at = now() + interval '1 hour'`],
  ['is due in another century', `due_at = '2200-01-01'`, `due_at = now() + interval '1 hour'`],
  [
    'is given up in another century',
    `due_at = '2200-01-01', give_up_at = '2200-01-02'`,
    `due_at = now() + interval '1 hour', give_up_at = now() + interval '7 days'`,
  ],
])('a call that %s stalls its integration', async (_what, damage, mend) => {
  await ask(database.url, `update hub.calls set ${damage}`);
  expect(await stalled()).toEqual([id]);
  await ask(database.url, `update hub.calls set ${mend}`);
  expect(await stalled()).toEqual([]);
});
