/** Verdicts of sagas that go on, or were not over: what is stored is what their events say, in whatever parts they come. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { eventIdentity } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { Session } from '#platform/postgres/session.ts';
import { appendEvents } from '../../../tests/append-events.ts';
import { createProductDatabase, type TestDatabase } from '../../../tests/database.ts';
import { PARTITIONS, startEngine } from '../../../tests/engine.ts';
import { DELIVERIES, setBack } from '../../../tests/redelivery.ts';
import { eventsOn } from '../../../tests/saga-events.ts';
import { SAGA_PATHS, type SagaPath } from '../../../tests/saga-paths.ts';
import { integrityConsumer } from './consumer.ts';
import { VerdictReads } from './reads.ts';
import { SAGA_TOPICS } from './seen-event.ts';

/** So that sagas are met in parts, long after they began. */
const LATER = { now: () => Date.now() + 3_600_000 };

let database: TestDatabase;
let client: Client;
const paths: { readonly path: SagaPath; readonly events: readonly LogEvent[] }[] = [];

beforeAll(async () => {
  database = await createProductDatabase();
  await (await startEngine(database.url)).close();
  client = new Client({ connectionString: database.url });
  await client.connect();
  for (const path of SAGA_PATHS) paths.push({ path, events: await appended(path) });
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

function pathNamed(title: string): SagaPath {
  const found = SAGA_PATHS.find((path) => path.title === title);
  if (found === undefined) throw new Error(`no path ${title}`);
  return found;
}

/** The path's events under a subject of their own, appended one after the other; each names its cause as it now stands. */
async function appended(path: SagaPath): Promise<LogEvent[]> {
  const subject = newId(path.kind);
  const places = new Map<string, string>();
  const events: LogEvent[] = [];
  for (const event of eventsOn(path)) {
    const draft: EventDraft = {
      ...event,
      subject,
      causation: places.get(event.causation) ?? event.causation,
    };
    const at = Date.now();
    const [stored] = await appendEvents({ url: database.url, partitions: PARTITIONS, at }, event.topic, [
      draft,
    ]);
    if (stored === undefined) throw new Error('nothing was appended');
    places.set(eventIdentity(event), eventIdentity(stored));
    events.push(stored);
  }
  return events;
}

/** Whatever is new, one event at a time or all at once; integrity alone reads it. */
async function judged(batchMax = 500, clock = LATER): Promise<void> {
  await DELIVERIES['integrity']?.(database.url, { batchMax, clock });
}

async function rowsOf(subject: string | undefined) {
  const verdicts = await client.query<{ verdict: string; stages: string; findings: string }>(
    'select verdict, stages, findings from integrity.verdicts where subject = $1',
    [subject],
  );
  const followed = await client.query('select from integrity.followed where subject = $1', [subject]);
  const [row] = verdicts.rows;
  const kinds = row && (JSON.parse(row.findings) as { kind: string }[]).map(({ kind }) => kind);
  return {
    verdict: row?.verdict ?? 'none',
    stages: row === undefined ? 0 : (JSON.parse(row.stages) as unknown[]).length,
    findings: kinds ?? [],
    followed: followed.rows.length,
  };
}

test.each([500, 3, 1])(
  'verdicts are the same whether %i events come at once, and when they come again',
  async (batchMax) => {
    const expected = Object.fromEntries(
      paths.map(({ path, events }) => [
        path.title,
        path.verdict === 'complete'
          ? { verdict: 'complete', stages: events.length, followed: 0 }
          : { verdict: 'none', stages: 0, followed: 1 },
      ]),
    );
    await client.query('truncate integrity.verdicts, integrity.followed');
    for (const _ of ['first', 'again']) {
      await setBack(database.url, ['integrity']);
      await judged(batchMax);
      expect(await standings()).toEqual(expected);
    }
  },
);

async function standings(): Promise<Record<string, object>> {
  const found: Record<string, object> = {};
  for (const { path, events } of paths) {
    const { verdict, stages, followed } = await rowsOf(events[0]?.subject);
    found[path.title] = { verdict, stages, followed };
  }
  return found;
}

test('a verdict is withdrawn when its saga goes on, and given anew when that has come to its end', async () => {
  const path = pathNamed('a payment (gateway) completed, then reversed');
  const completed = path.events.indexOf('notification.queued') + 1;
  const events = eventsOn(path);
  const subject = newId('pay');
  const places = new Map<string, string>();
  const seen: string[] = [];
  for (const [index, event] of events.entries()) {
    const draft = { ...event, subject, causation: places.get(event.causation) ?? event.causation };
    const [stored] = await appendEvents({ url: database.url, partitions: PARTITIONS }, event.topic, [draft]);
    places.set(eventIdentity(event), eventIdentity(stored as LogEvent));
    if (index + 1 < completed) continue;
    await judged();
    const { verdict, followed } = await rowsOf(subject);
    seen.push(`${event.type}: ${followed === 1 ? 'followed' : verdict}`);
  }
  expect(seen).toEqual([
    'notification.queued: complete',
    'payment.resolution_requested: followed',
    'payment.resolution_admitted: followed',
    'payment.charge_resolved: followed',
    'provider.resolved: followed',
    'payment.compensating: followed',
    'entry.posted: followed',
    'payment.compensated: followed',
    'notification.queued: complete',
  ]);
});

test('an incident is kept with the verdict, which stays what it was', async () => {
  const events = await appended(pathNamed('a payment (gateway) approved'));
  await judged();
  const approved = events.find(({ type }) => type === 'provider.approved') as LogEvent;
  const data = { attempt_id: 'att_2', provider: 'beta', told: 'declined', known: 'approved' };
  const contradicted = follow(approved, { type: 'provider.contradicted', data });
  await appendEvents({ url: database.url, partitions: PARTITIONS }, 'providers', [contradicted]);
  await judged();
  expect(await rowsOf(approved.subject)).toMatchObject({
    verdict: 'complete',
    findings: ['contradiction'],
    followed: 0,
  });
  const { rows } = await client.query('select kind, state from integrity.findings where subject = $1', [
    approved.subject,
  ]);
  expect(rows).toEqual([{ kind: 'contradiction', state: 'parked' }]);
});

test('an event that no saga has room for breaks a verdict, at once and for good', async () => {
  const events = await appended(pathNamed('a payment (balance) completed'));
  await judged();
  const requested = events[0] as LogEvent;
  const alien = follow(requested, { type: 'provider.approved', data: {} });
  await appendEvents({ url: database.url, partitions: PARTITIONS }, 'providers', [alien]);
  await judged();
  expect(await rowsOf(requested.subject)).toMatchObject({ verdict: 'broken', findings: ['out_of_order'] });
  await setBack(database.url, ['integrity']);
  await judged(1);
  expect(await rowsOf(requested.subject)).toMatchObject({ verdict: 'broken', findings: ['out_of_order'] });
});

test('what is read ahead of its beginning leaves nothing behind when another process is given all of it', async () => {
  const events = await appended(pathNamed('a payment (gateway) approved'));
  const [requested] = events as [LogEvent];
  const ahead = events.filter(({ topic }) => topic !== requested.topic).slice(0, 3);
  await takeBatch(ahead);
  await takeBatch(events);
  expect(await rowsOf(requested.subject)).toMatchObject({ verdict: 'complete', followed: 0 });
});

/** By a process that has read nothing else, a moment after they happened. */
async function takeBatch(events: readonly LogEvent[]): Promise<void> {
  const session = new Session({ url: database.url, name: 'integrity' });
  const consumer = integrityConsumer(() => undefined);
  await session.transaction(async (tx) => {
    const loaded = await consumer.load(tx, events);
    consumer.save(tx, consumer.decide(loaded, events, Date.now()));
  });
  await session.close();
}

test('stages are named by what caused their events; timelines have nothing but the subject’s own', async () => {
  const events = await appended(pathNamed('a payment (gateway) completed, then reversed'));
  await judged();
  const reader = {
    query: async <Row>(text: string, values: readonly unknown[]) =>
      (await client.query<Row & object>(text, [...values])).rows,
  };
  const reads = new VerdictReads(reader, SAGA_TOPICS);
  const reading = await reads.find('acme', events[0]?.subject ?? '');
  expect(reading?.stages.map(({ name }) => name)).toEqual([
    'request',
    'validation',
    'authorization',
    'charge',
    'decision',
    'ledger',
    'completion',
    'notification',
    'request',
    'resolution admission',
    'resolution',
    'resolved charge',
    'resolved decision',
    'posting reversal',
    'completion',
    'notification',
  ]);
  expect(await reads.timeline('acme', events[0]?.subject ?? '')).toHaveLength(events.length);
  expect(await reads.timeline('other', events[0]?.subject ?? '')).toEqual([]);
});

test.each([
  ['a payment from the balance', 'balance', 'retained'],
  ['a payment that waits for a provider', 'gateway', 'stored'],
] as const)('%s (%s), three seconds under way, is %s', async (_, method, where) => {
  const subject = newId('pay');
  const terms = { wallet_id: 'wallet', service_id: 'service', amount: 10, currency: 'USD', method };
  const at = Date.now();
  const events = ['payment.requested', 'payment.validated', 'payment.authorized'].map(
    (type, index): LogEvent => ({
      type,
      version: method === 'balance' ? 1 : 2,
      subject,
      tenant: 'acme',
      key: 'wallet',
      data: terms,
      correlationId: 'cor',
      causation: index === 0 ? 'req_1' : `topic/0/${index}`,
      traceparent: null,
      topic: 'topic',
      partition: 0,
      position: index + 1,
      occurredAt: at,
    }),
  );
  const now = at + 3000;
  const consumer = integrityConsumer(() => undefined, { now: () => now });
  const session = new Session({ url: database.url, name: 'integrity' });
  try {
    const loaded = await session.transaction((tx) => consumer.load(tx, events));
    const { retained = [], following } = consumer.decide(loaded, events, now);
    expect({ retained: retained.length, stored: following.length }).toEqual(
      where === 'retained' ? { retained: 3, stored: 0 } : { retained: 0, stored: 1 },
    );
  } finally {
    await session.close();
  }
});
