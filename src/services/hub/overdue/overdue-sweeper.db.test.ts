/** Stages of the hub that will not answer any more, over its tables and its log. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type IntegrationId, newId, uuidOf } from '#kernel/ids.ts';
import { buryGivenUp } from '#platform/dead-letters/given-up.ts';
import { requestRedeliveries } from '#platform/dead-letters/redelivery.ts';
import { Session } from '#platform/postgres/session.ts';
import { appendEvents } from '../../../../tests/append-events.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { finishOrders } from '../../../../tests/finish-orders.ts';
import { ask } from '../../../../tests/redelivery.ts';
import { givenStanding as standing } from '../../../../tests/standing-integration.ts';
import { unheardFailures } from '../../../../tests/unheard-failures.ts';
import { STANDS_STILL_AFTER_MS } from '../integration.ts';
import { OverdueSweeper } from './overdue-sweeper.ts';
import { noteUndoings } from './undoing-store.ts';

const PARTITIONS = 4;
let database: TestDatabase;
let session: Session;
let aheadMs = 0;
const clock = { now: () => Date.now() + aheadMs };

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  session = new Session({ url: database.url, name: 'overdue' });
});

afterAll(async () => {
  await session.close();
  await database.drop();
});

async function givenStanding(): Promise<IntegrationId> {
  return (await standing({ url: database.url, partitions: PARTITIONS })).id;
}

function orders(subject: string) {
  return ask(
    database.url,
    `select r.consumer_group as group, r.action, r.requested_by as by from log.redeliveries r
     join hub.events e using (partition, position) where e.subject = $1`,
    [subject],
  );
}

function letters(subject: string) {
  return ask(
    database.url,
    `select consumer_group as group, target, error_code as code, state, attempts from log.dead_letters where work = $1`,
    [subject],
  );
}

/** As many looks as it takes to come from an hour ago to the present. */
async function lookThrough(sweeper: OverdueSweeper): Promise<void> {
  for (let look = 0; look < 14; look++) await sweeper.sweep();
}

test('H7: what its group has passed is delivered to it again, three times, and is a dead letter then', async () => {
  aheadMs = 0;
  const sweeper = new OverdueSweeper({ session, clock, observer: {}, onError: () => undefined });
  const lost = await givenStanding();
  await lookThrough(sweeper);
  expect(await orders(lost)).toEqual([]);
  aheadMs = STANDS_STILL_AFTER_MS + 60_000;
  const order = { group: 'hub.validation', action: 'redeliver', by: 'hub' };
  await lookThrough(sweeper);
  expect(await orders(lost)).toEqual([order]);
  for (let round = 0; round < 2; round++) {
    await finishOrders(database.url, 'done');
    await sweeper.sweep();
    await sweeper.sweep();
  }
  expect(await orders(lost)).toEqual([order, order, order]);
  expect(await letters(lost)).toEqual([]);
  await finishOrders(database.url, 'done');
  await sweeper.sweep();
  const letter = { group: 'hub.validation', target: 'erp', code: 'hub.overdue', state: 'open', attempts: 3 };
  expect(await letters(lost)).toEqual([letter]);
  const another = new OverdueSweeper({ session, clock, observer: {}, onError: () => undefined });
  for (let look = 0; look < 14; look++) {
    await finishOrders(database.url, 'done');
    await another.sweep();
  }
  expect(await letters(lost)).toEqual([letter]);
});

test('H7: what has ended, or is ordered already, is left alone', async () => {
  aheadMs = 0;
  const sweeper = new OverdueSweeper({ session, clock, observer: {}, onError: () => undefined });
  const ended = await givenStanding();
  const ordered = await givenStanding();
  await ask(database.url, `update hub.integrations set status = 'refused' where id = $1`, [uuidOf(ended)]);
  const [place] = await ask(
    database.url,
    'select partition, position::integer as position from hub.events where subject = $1',
    [ordered],
  );
  const { partition, position } = place as { partition: number; position: number };
  await session.transaction(async (tx) => {
    const asked = { group: 'hub.validation', topic: 'hub', partition, position };
    requestRedeliveries(tx, [{ ...asked, id: newId('rdl'), reason: 'a person', requestedBy: 'ana' }]);
  });
  aheadMs = STANDS_STILL_AFTER_MS + 60_000;
  await lookThrough(sweeper);
  expect(await orders(ended)).toEqual([]);
  expect(await orders(ordered)).toMatchObject([{ by: 'ana' }]);
});

/** As long as it takes to be a dead letter. */
async function lookUntilLost(sweeper: OverdueSweeper): Promise<void> {
  await lookThrough(sweeper);
  for (let round = 0; round < 4; round++) {
    await finishOrders(database.url, 'done');
    await sweeper.sweep();
    await sweeper.sweep();
  }
}

const UNDO_ASKED = {
  status: 'undoing',
  type: 'integration.undo_requested',
  group: 'hub.undo',
  data: { destination: 'main', reason: 'a mistake', actor: null },
};

const sweeping = () => new OverdueSweeper({ session, clock, observer: {}, onError: () => undefined });

test('O1: an undo that stands still is a dead letter, though its delivery is one', async () => {
  aheadMs = 0;
  const { id, event } = await standing({ url: database.url, partitions: PARTITIONS }, UNDO_ASKED);
  await session.transaction(async (tx) => {
    const { topic, partition, position, type } = event;
    const failure = { code: 'hub.outcome_unknown', text: '', status: null };
    const about = {
      topic,
      partition,
      position,
      type,
      tenant: 'acme',
      subject: id,
      version: 1,
      correlationId: 'cor',
    };
    const letter = { group: 'hub.delivery', event: about, target: 'erp', work: id, failure };
    buryGivenUp(tx, [{ ...letter, attempts: 1, firstAt: Date.now(), waitsFor: null }], Date.now());
  });
  aheadMs = STANDS_STILL_AFTER_MS + 60_000;
  await lookUntilLost(sweeping());
  expect((await letters(id)).map((each) => (each as { group: string }).group).toSorted()).toEqual([
    'hub.delivery',
    'hub.undo',
  ]);
});

test('O1: what was delivered long ago and is undone is looked at, until it has ended', async () => {
  aheadMs = 0;
  const { id, uuid } = await standing({ url: database.url, partitions: PARTITIONS }, UNDO_ASKED);
  await session.transaction(async (tx) => noteUndoings(tx, [{ tenant: 'acme', uuid }], clock.now()));
  aheadMs = 3 * 3_600_000; // further than a new process looks back
  await lookUntilLost(sweeping());
  expect(await letters(id)).toMatchObject([{ group: 'hub.undo', code: 'hub.overdue' }]);
  const noted = () => ask(database.url, 'select 1 from hub.undoings where integration = $1', [uuid]);
  expect(await noted()).toHaveLength(1);
  await ask(database.url, `update hub.integrations set status = 'undone' where id = $1`, [uuid]);
  await sweeping().sweep();
  expect(await noted()).toEqual([]);
});

test('O1: what went on and stands still again is delivered again where it stands, before it is a dead letter', async () => {
  aheadMs = 0;
  const sweeper = sweeping();
  const { id, uuid, event } = await standing({ url: database.url, partitions: PARTITIONS });
  aheadMs = STANDS_STILL_AFTER_MS + 60_000;
  await lookThrough(sweeper);
  for (let round = 0; round < 2; round++) {
    await finishOrders(database.url, 'done');
    await sweeper.sweep();
  }
  expect(await orders(id)).toHaveLength(3);
  const { type: _type, ...said } = event;
  const at = { url: database.url, partitions: PARTITIONS };
  const [validated] = await appendEvents(at, 'hub', [{ ...said, type: 'integration.validated' }]);
  await ask(database.url, `update hub.integrations set status = 'validated' where id = $1`, [uuid]);
  await ask(
    database.url,
    `update log.positions set position = $2 where consumer_group = 'hub.rules' and topic = 'hub' and partition = $1`,
    [validated?.partition, validated?.position],
  );
  await finishOrders(database.url, 'done');
  await sweeper.sweep();
  expect((await orders(id)).map((each) => (each as { group: string }).group).toSorted()).toEqual([
    'hub.rules',
    'hub.validation',
    'hub.validation',
    'hub.validation',
  ]);
  expect(await letters(id)).toEqual([]);
});

test('O1: two processes that find the same lost at once make one dead letter of it', async () => {
  aheadMs = 0;
  const lost = await givenStanding();
  aheadMs = STANDS_STILL_AFTER_MS + 60_000;
  const other = new Session({ url: database.url, name: 'overdue beside' });
  const beside = new OverdueSweeper({ session: other, clock, observer: {}, onError: () => undefined });
  const sweepers = [sweeping(), beside];
  for (let look = 0; look < 24; look++) {
    await Promise.all(sweepers.map((each) => each.sweep()));
    await finishOrders(database.url, 'done');
  }
  await other.close();
  expect(await letters(lost)).toHaveLength(1);
});

test('U10: a look that waits in vain for the lost is heard of as a whole', async () => {
  aheadMs = 0;
  const lost = await givenStanding();
  const holder = new Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from hub.integrations where id = $1 for update', [uuidOf(lost)]);
  aheadMs = STANDS_STILL_AFTER_MS + 60_000;
  const sweeper = sweeping();
  expect(await unheardFailures(() => lookUntilLost(sweeper))).toEqual([]);
  await holder.end();
  expect(await letters(lost)).toEqual([]);
});
