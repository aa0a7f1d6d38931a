/**
 * S2, S5: what waits in a step for its turn holds nobody else up, over the real worker and log. How long an expression takes is the
 * test's, so nothing here depends on speed.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { type IntegrationId, newId, uuidOf } from '#kernel/ids.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { Session } from '#platform/postgres/session.ts';
import { appendEvents } from '../../../../tests/append-events.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { ask } from '../../../../tests/redelivery.ts';
import { versionRef } from '../connectors.ts';
import type { JobResult, OwnedJob } from '../evaluation/job.ts';
import { Carrier } from './carry.ts';
import { rulesStep } from './rules-step.ts';
import { stepConsumer } from './step-consumer.ts';

const PARTITIONS = 4;
const PATIENT = { timeout: 60_000 };
const STOPPED = { kind: 'overrun', detail: 'stopped' } as const;
const DEFINITION = {
  entry: { type: 'api' },
  rules: [{ set: { n: '1' } }],
  destinations: { main: { type: 'http', method: 'POST', url: 'http://127.0.0.1:1/' } },
} as const;

let database: TestDatabase;
let runs: (readonly OwnedJob[])[] = [];
/** In the order in which they were committed: whose. */
let done: string[] = [];
let failures: unknown[] = [];

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
});

afterAll(() => database.drop());

beforeEach(() => {
  runs = [];
  done = [];
  failures = [];
});

/** Of the tenant `slow` three jobs are its share; what is in `stops` is stopped, the third time that it is alone for good. */
class ScriptedEvaluator {
  readonly stops = new Set<string>();
  readonly #alone = new Map<string, number>();

  async run(
    jobs: readonly OwnedJob[],
    { isShared, shareMs }: { readonly isShared?: boolean; readonly shareMs?: number | undefined } = {},
  ): Promise<readonly JobResult[]> {
    if (jobs.length > 0) runs.push(jobs);
    let slow = 0;
    return jobs.map((job): JobResult => {
      const message = 'message' in job ? job.message : '';
      if (this.stops.has(message)) return isShared === true ? STOPPED : this.#stoppedAlone(message);
      if (job.tenant === 'slow' && ++slow > 3 && shareMs !== undefined) return { kind: 'later' };
      return { kind: 'passed', message, route: null };
    });
  }

  #stoppedAlone(message: string): JobResult {
    const count = (this.#alone.get(message) ?? 0) + 1;
    this.#alone.set(message, count);
    return count < 3 ? STOPPED : { ...STOPPED, isShunned: true };
  }
}

async function given(tenant: string, count: number, message = '{}'): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId('int'));
  await ask(
    database.url,
    `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, correlation_id, created_at, updated_at)
     select $1, id, 'erp', 1, 'api', 'validated', id, 'cor', now(), now() from unnest($2::uuid[]) id`,
    [tenant, ids.map(uuidOf)],
  );
  const drafts = ids.map((id) => ({
    type: 'integration.validated',
    version: 1,
    subject: id,
    tenant,
    key: id,
    data: { connector: 'erp', connector_version: 1, message },
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  }));
  await appendEvents({ url: database.url, partitions: PARTITIONS }, 'hub', drafts);
  return ids.map(uuidOf);
}

async function start(evaluator: ScriptedEvaluator): Promise<() => Promise<void>> {
  const { url } = database;
  const onError = (error: unknown): void => void failures.push(error);
  const heads = new Session({ url, name: 'heads' });
  const session = new Session({ url, name: 'turns' });
  const log = await EventLog.open({ session: heads, topics: ['hub'], partitions: PARTITIONS, onError });
  const connectors = {
    load: async (refs: readonly { tenant: string; name: string; version: number }[]) =>
      new Map(refs.map((ref) => [versionRef(ref), { ...ref, definition: DEFINITION, putAt: 0 }])),
  };
  const consumer = stepConsumer(rulesStep, {
    carrier: new Carrier({ connectors, evaluator, steps: [rulesStep] }),
    hasRoomFor: () => true,
    onCommitted: ({ integrations }) => void done.push(...integrations.map(({ tenant }) => tenant)),
    observer: {},
  });
  const worker = new ConsumerWorker({
    consumer,
    log,
    session,
    clock: systemClock,
    random: () => 0,
    batchMax: 500,
    observer: { committed: () => undefined, failed: (_group, error) => onError(error) },
  });
  worker.own(Array.from({ length: PARTITIONS }, (_, partition) => partition));
  worker.start();
  return async () => {
    await worker.stop();
    await log.close();
    await Promise.all([session.close(), heads.close()]);
  };
}

function statuses(ids: readonly string[]) {
  return ask(
    database.url,
    `select status, count(*)::int as count from hub.integrations where id = any ($1) group by status`,
    [ids],
  );
}

/** What was said of them: nothing twice. */
async function saidTwice(ids: readonly string[]): Promise<unknown[]> {
  const subjects = new Set(ids);
  const events = await ask(
    database.url,
    `select subject, count(*)::int as count from hub.events where type <> 'integration.validated' group by subject having count(*) > 1`,
    [],
  );
  return events.filter(({ subject }) => subjects.has(uuidOf(subject as IntegrationId)));
}

async function isPassed(): Promise<boolean> {
  const behind = await ask(
    database.url,
    `select from log.positions p join log.heads h using (topic, partition)
     where p.consumer_group = 'hub.rules' and p.position <> h.position`,
    [],
  );
  return behind.length === 0;
}

test('S5: a message goes on beside two hundred slow ones that wait, and these are all answered at last, across a restart', async () => {
  const slow = await given('slow', 200);
  const other = await given('other', 1);
  const stop = await start(new ScriptedEvaluator());
  await expect.poll(() => statuses(other), PATIENT).toEqual([{ status: 'rules_applied', count: 1 }]);
  await expect.poll(() => done.includes('other'), PATIENT).toBe(true);
  // In the first batch that has read it; the slow ones come three at a time.
  expect(done.indexOf('other')).toBeLessThan(30);
  await expect.poll(() => done.length, PATIENT).toBeGreaterThan(60);
  await stop();
  expect(done.length).toBeLessThan(201);
  const restarted = await start(new ScriptedEvaluator());
  await expect.poll(() => statuses(slow), PATIENT).toEqual([{ status: 'rules_applied', count: 200 }]);
  await expect.poll(isPassed, PATIENT).toBe(true);
  await restarted();
  expect(await saidTwice([...slow, ...other])).toEqual([]);
  expect(failures).toEqual([]);
  // A backlog is handed over as a whole but once by each process.
  expect(runs.filter(({ length }) => length > 12).length).toBeLessThan(3);
});

test('S2: of a batch in which one is stopped the others are answered; tried alone three times, and after it had waited, it has failed', async () => {
  const evaluator = new ScriptedEvaluator();
  const slow = await given('slow', 30);
  const loops = await given('slow', 1, '{"loop":1}');
  const other = await given('other', 5);
  evaluator.stops.add('{"loop":1}');
  const stop = await start(evaluator);
  await expect.poll(() => statuses(loops), PATIENT).toEqual([{ status: 'failed', count: 1 }]);
  const late = await given('other', 1);
  await expect
    .poll(() => statuses([...slow, ...other, ...late]), PATIENT)
    .toEqual([{ status: 'rules_applied', count: 36 }]);
  await expect.poll(isPassed, PATIENT).toBe(true);
  await stop();
  const failure = await ask(
    database.url,
    'select failure_step as step, failure_code as code from hub.integrations where id = any ($1)',
    [loops],
  );
  expect(failure).toEqual([{ step: 'rules', code: 'hub.expression_overrun' }]);
  const letters = await ask(
    database.url,
    `select consumer_group, error_code from log.dead_letters where target is null`,
    [],
  );
  expect([failures, letters]).toEqual([[], []]);
  const alone = runs.filter(
    ([job, ...rest]) => rest.length === 0 && job && 'message' in job && job.message !== '{}',
  );
  expect(alone).toHaveLength(3);
});
