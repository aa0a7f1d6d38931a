/** What becomes of an integration that stands still when its dead letter is replayed or discarded, over its tables and its log. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { GivenUpOrder } from '#platform/dead-letters/given-up.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { ask } from '../../../../tests/redelivery.ts';
import { givenStanding } from '../../../../tests/standing-integration.ts';
import { unheardInFailing } from '../../../../tests/unheard-failures.ts';
import { Connectors } from '../connectors.ts';
import { HubCommands } from '../hub-commands.ts';
import type { ReplayOrder } from '../hub-orders.ts';
import { STANDS_STILL_AFTER_MS } from '../integration.ts';
import { HubReads } from '../reads.ts';
import { HubLetters } from './hub-letters.ts';

const PARTITIONS = 4;
const LATER = Date.now() + STANDS_STILL_AFTER_MS + 60_000;

let database: TestDatabase;
let session: Session;
let reader: ReadPool;
let log: EventLog;
let letters: HubLetters;
let installation: { url: string; partitions: number };

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  installation = { url: database.url, partitions: PARTITIONS };
  const onError = () => undefined;
  session = new Session({ url: database.url, name: 'letters' });
  reader = new ReadPool({ url: database.url, onError });
  log = await EventLog.open({ session, topics: ['hub'], partitions: PARTITIONS, onError });
  const evaluator = { run: async () => [] };
  letters = new HubLetters({
    log,
    reads: new HubReads(reader),
    connectors: new Connectors(reader),
    evaluator,
  });
  await ask(
    database.url,
    `insert into hub.connectors values ('acme', 'erp', 1, 'api', '{"entry":{"type":"api"},"destinations":{}}', null, now())`,
    [],
  );
});

afterAll(async () => {
  await log.close();
  await reader.close();
  await session.close();
  await database.drop();
});

function orderAbout({ subject, topic, partition, position, type }: LogEvent, group: string): GivenUpOrder {
  return {
    tenant: 'acme',
    group,
    event: { topic, partition, position, subject, type },
    work: subject,
    editedData: null,
    orderId: newId('rdl'),
    reason: null,
    actor: 'ana',
    now: LATER,
  };
}

async function replay(event: LogEvent, group: string) {
  return session.transaction((tx) => letters.replay(tx, orderAbout(event, group)));
}

async function stateOf(uuid: string) {
  const [row] = await ask(
    database.url,
    'select status, failure_step as step, failure_code as code from hub.integrations where id = $1',
    [uuid],
  );
  return row;
}

async function verdictOf(uuid: string) {
  const reads = new HubReads(reader);
  const found = await reads.find('acme', uuid);
  return found && (await reads.describe(found))['verdict'];
}

async function givenCall(uuid: string, step: string): Promise<void> {
  await ask(
    database.url,
    `insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries, is_unknown,
                            history, due_at, give_up_at, timeout_ms, cause, origin, correlation_id, created_at)
     values ($1, $2, 'acme', 'erp', 1, 'main', '{}', 'waiting', 1, false, '[]', now(), now(), 1000, 'c', $1, 'cor', now())`,
    [uuid, step],
  );
}

const calls = (uuid: string) =>
  ask(database.url, 'select step, state, due_at from hub.calls where integration = $1', [uuid]);

const ENRICHED = {
  status: 'enriched',
  type: 'integration.enriched',
  group: 'hub.delivery',
  data: { route: 'main' },
};
const UNDOING = {
  status: 'undoing',
  type: 'integration.undo_requested',
  group: 'hub.undo',
  data: { destination: 'main', reason: 'a mistake', actor: null },
};

describe('O1: what stands still and is begun again is ended by it, with its calls: it is delivered once', () => {
  test('by its dead letter', async () => {
    const { uuid, event } = await givenStanding(installation, ENRICHED);
    await givenCall(uuid, 'delivery');
    expect(await replay(event, 'hub.delivery')).toHaveProperty('replayedAs');
    expect(await stateOf(uuid)).toEqual({ status: 'failed', step: 'delivery', code: 'hub.replayed' });
    expect(await calls(uuid)).toEqual([{ step: 'delivery', state: 'done', due_at: null }]);
  });

  test('by its own route', async () => {
    const { id, uuid } = await givenStanding(installation);
    const body: ReplayOrder = {
      operation: 'integrations.replay',
      integration_id: id,
      connector: 'erp',
      message: '{}',
    };
    const command = {
      operation: body.operation,
      tenant: 'acme',
      idempotencyKey: undefined,
      body,
      id: newId('int'),
      requestId: newId('req'),
      correlationId: 'cor',
      traceparent: null,
    };
    const commands = new HubCommands({ renderProblem: ({ code }) => ({ status: 409, body: code }) });
    const drafts = await session.transaction(async (tx) => {
      const batch = await commands.load(tx, [command]);
      const verdict = commands.decide(batch, command, LATER);
      commands.save(tx, verdict.effect === undefined ? [] : [verdict.effect], batch, LATER);
      return verdict.drafts;
    });
    expect(drafts).toMatchObject([
      { type: 'integration.failed', subject: id, data: { code: 'hub.replayed' } },
      { type: 'integration.requested', subject: command.id },
    ]);
    expect(await stateOf(uuid)).toEqual({ status: 'failed', step: 'validation', code: 'hub.replayed' });
  });

  test('and its log says so', async () => {
    const { uuid, event } = await givenStanding(installation);
    await replay(event, 'hub.validation');
    expect(await verdictOf(uuid)).toBe('complete');
  });
});

test('O1: an undo that stands still is asked for again, and not beside its own call', async () => {
  const lost = await givenStanding(installation, UNDOING);
  expect(await replay(lost.event, 'hub.undo')).toMatchObject({ replayedAs: lost.id });
  expect(await stateOf(lost.uuid)).toMatchObject({ status: 'undoing' });
  const [last] = (await new HubReads(reader).timeline('acme', lost.uuid)).slice(-1);
  expect(last).toMatchObject({ type: 'integration.undo_requested', data: { destination: 'main' } });
  expect(
    await ask(database.url, 'select tenant from hub.undoings where integration = $1', [lost.uuid]),
  ).toEqual([{ tenant: 'acme' }]);
  const called = await givenStanding(installation, UNDOING);
  await givenCall(called.uuid, 'undo');
  expect(await replay(called.event, 'hub.undo')).toMatchObject({ failure: { code: 'hub.not_undoable' } });
});

test.each([
  ['{"n":1}', { n: 1 }],
  ['<n>1</n>', '<n>1</n>'],
])('U11: a message of %s is shown as what it is', async (message, shown) => {
  const data = { entry: 'webhook', replay_of: null, origin: '', message };
  const { id } = await givenStanding(installation, { data });
  expect(await letters.describe({ tenant: 'acme', work: id })).toMatchObject({ message: shown });
});

describe('O1: what stands still is ended by discarding its dead letter', () => {
  const discard = (event: LogEvent, group: string) =>
    session.transaction((tx) => letters.giveUp(tx, orderAbout(event, group)));

  test.each([
    [ENRICHED, { status: 'failed', step: 'delivery', code: 'hub.discarded' }],
    [UNDOING, { status: 'undo_failed', step: 'undo', code: 'hub.discarded' }],
  ])('as $status', async (like, ended) => {
    const { uuid, event } = await givenStanding(installation, like);
    await discard(event, like.group);
    expect(await stateOf(uuid)).toEqual(ended);
  });

  test('but not if its call is under way, or it has moved on since', async () => {
    const called = await givenStanding(installation, ENRICHED);
    await givenCall(called.uuid, 'delivery');
    await discard(called.event, 'hub.delivery');
    expect(await stateOf(called.uuid)).toMatchObject({ status: 'enriched' });
    const moved = await givenStanding(installation, UNDOING);
    await discard({ ...moved.event, position: moved.event.position - 1 }, 'hub.delivery');
    expect(await stateOf(moved.uuid)).toMatchObject({ status: 'undoing' });
  });
});

test('U10: a discard whose statements all fail is heard of as a whole', async () => {
  const { event } = await givenStanding(installation);
  const order = orderAbout(event, 'hub.validation');
  expect(await unheardInFailing(session, (tx) => letters.giveUp(tx, order))).toEqual([]);
});
