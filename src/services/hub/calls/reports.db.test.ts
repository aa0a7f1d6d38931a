/** What came of calls, on the real tables. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { ask } from '../../../../tests/redelivery.ts';
import { unheardFailures } from '../../../../tests/unheard-failures.ts';
import { Connectors } from '../connectors.ts';
import type { Call } from './call.ts';
import { createReports } from './reports.ts';

const onError = () => undefined;
const PARTITIONS = 4;
let database: TestDatabase;
let session: Session;
let reader: ReadPool;
let log: EventLog;

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  session = new Session({ url: database.url, name: 'reports' });
  reader = new ReadPool({ url: database.url, onError });
  log = await EventLog.open({ session, topics: ['hub'], partitions: PARTITIONS, onError });
});

afterAll(async () => {
  await log.close();
  await reader.close();
  await session.close();
  await database.drop();
});

function call(): Call {
  const uuid = uuidOf(newId('int'));
  const about = { tenant: 'acme', uuid, connector: 'erp', connectorVersion: 1, destination: 'main' };
  const request = { message: '{}', route: 'main' };
  const standing = {
    state: 'sending',
    tries: 1,
    isUnknown: false,
    history: [],
    dueAt: 0,
    giveUpAt: 1,
  } as const;
  const origin = { cause: 'c', origin: uuid, correlationId: 'cor', traceparent: null };
  return { ...about, step: 'delivery', request, ...standing, timeoutMs: 1000, ...origin };
}

test('U10: a batch whose statements all fail is heard of as a whole', async () => {
  const observer = { committed: () => undefined, failed: () => undefined };
  const reports = createReports({
    log,
    session,
    random: Math.random,
    batchMax: 10,
    observer,
    clock: systemClock,
    connectors: new Connectors(reader),
    onCommitted: () => undefined,
  });
  await ask(database.url, 'alter table hub.integrations rename to elsewhere', []);
  reports.start();
  const outcome = { kind: 'delivered', status: 200, latencyMs: 1, detail: '' } as const;
  const report = { call: call(), at: 0, outcome };
  expect(await unheardFailures(() => reports.submit(report))).toEqual([]);
  await reports.stop();
});
