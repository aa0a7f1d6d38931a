import { hash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { merkleRoot } from '#kernel/merkle.ts';
import { Session } from '#platform/postgres/session.ts';
import { Probe } from '../../../tests/probe.ts';
import { type AppendedSegment, eventLeaf, prepareAppend, sendAppend } from './append.ts';
import { type EventDraft, eventIdentity, type JsonObject } from './event.ts';
import { EventLog } from './event-log.ts';

let probe: Probe;
const sessions: Session[] = [];

beforeAll(async () => {
  probe = await Probe.open();
});

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  await probe.reset();
});

afterAll(() => probe.close());

function open(name: string): Session {
  const session = new Session({ url: probe.url, name });
  sessions.push(session);
  return session;
}

function draft(key: string, data: JsonObject = {}): EventDraft {
  return {
    type: 'tick',
    version: 1,
    subject: key,
    tenant: 'acme',
    key,
    data,
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
}

class GivenUp extends Error {}

/** Appends the drafts in one commit, or rolls back after everything was sent. */
async function append(
  session: Session,
  drafts: readonly EventDraft[],
  ending: 'commit' | 'rollback' = 'commit',
): Promise<AppendedSegment[]> {
  const prepared = prepareAppend({
    topic: 'source',
    partitions: probe.partitions,
    occurredAt: Date.now(),
    drafts,
  });
  try {
    return await session.transaction(async (tx) => {
      const segments = await sendAppend(tx, prepared);
      if (ending === 'rollback') throw new GivenUp();
      return segments;
    });
  } catch (error) {
    if (error instanceof GivenUp) return [];
    throw error;
  }
}

/** What is wrong with the topic's partitions: gaps, heads that are not the last event, batches or chains that do not fit. */
async function faultsOfLog(): Promise<string[]> {
  const heads = await probe.query<{ partition: number; position: number; chain: Buffer }>(
    `select partition, position::int, chain from log.heads where topic = 'source'`,
  );
  const faults: string[] = [];
  for (const { partition, position, chain } of heads) {
    const leaves = await leavesOf(partition);
    if (leaves.length !== position) faults.push(`${partition}: head ${position}, ${leaves.length} events`);
    const recomputed = await chainOf(partition, leaves);
    if (recomputed !== chain.toString('hex')) faults.push(`${partition}: the chain is ${recomputed}`);
  }
  return faults;
}

interface StoredEvent extends Omit<EventDraft, 'data' | 'correlationId'> {
  readonly position: number;
  readonly data: string;
  readonly occurred_at: Date;
  readonly correlation_id: string;
}

/** Leaves in the order of their positions, computed from the stored columns; a gap ends them. */
async function leavesOf(partition: number): Promise<Uint8Array[]> {
  const rows = await probe.query<StoredEvent>(
    `select position::int, type, version, subject, tenant, key, data, occurred_at, correlation_id, causation, traceparent
     from source.events where partition = $1 order by position`,
    [partition],
  );
  return rows
    .filter((row, index) => row.position === index + 1)
    .map((row) =>
      eventLeaf({ ...row, correlationId: row.correlation_id }, row.data, row.occurred_at.getTime()),
    );
}

/** sha256(previous ‖ int8 first ‖ int4 count ‖ root) over the batches, each root from its own events. */
async function chainOf(partition: number, leaves: readonly Uint8Array[]): Promise<string> {
  const batches = await probe.query<{ first: number; count: number }>(
    'select first::int, count from source.batches where partition = $1 order by first',
    [partition],
  );
  let chain = Buffer.from(hash('sha256', `source/${partition}`, 'hex'), 'hex');
  let next = 1;
  for (const { first, count } of batches) {
    if (first !== next) return `broken at batch ${first}`;
    const numbers = Buffer.alloc(12);
    numbers.writeBigInt64BE(BigInt(first));
    numbers.writeInt32BE(count, 8);
    const root = merkleRoot(leaves.slice(first - 1, first - 1 + count));
    chain = Buffer.from(hash('sha256', Buffer.concat([chain, numbers, root]), 'hex'), 'hex');
    next = first + count;
  }
  return chain.toString('hex');
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

test('appends of two connections to the same partitions leave no gap and one chain, whatever is rolled back', async () => {
  const writers = [open('first'), open('second')].map(async (session, writer) => {
    for (let round = 0; round < 40; round++) {
      const drafts = KEYS.slice(round % 5).map((key) => draft(key, { writer, round }));
      await append(session, drafts, (round + writer) % 3 === 0 ? 'rollback' : 'commit');
    }
  });
  await Promise.all(writers);
  expect(await faultsOfLog()).toEqual([]);
  const [row] = await probe.query('select count(*)::int as count from source.events');
  expect(row?.['count']).toBeGreaterThan(200);
});

test('a reader of heads and events never sees a position without those before it, while others append and roll back', async () => {
  const done = new AbortController();
  const writers = [open('first'), open('second')].map(async (session, writer) => {
    for (let round = 0; round < 40; round++) {
      await append(
        session,
        KEYS.map((key) => draft(key)),
        (round + writer) % 4 === 0 ? 'rollback' : 'commit',
      );
    }
  });
  const writing = Promise.all(writers).finally(() => done.abort());
  let looks = 0;
  const skipped: unknown[] = [];
  while (!done.signal.aborted) {
    looks++;
    skipped.push(
      ...(await probe.query(
        `select h.partition, h.position, count(e.position), max(e.position)
         from log.heads h left join source.events e on e.partition = h.partition where h.topic = 'source'
         group by h.partition, h.position
         having count(e.position) <> h.position or max(e.position) <> nullif(h.position, 0)`,
      )),
    );
  }
  await writing;
  expect(skipped).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});

test('positions are in commit order: who commits later stands later, whoever began first', async () => {
  const [early, late] = [open('early'), open('late')];
  const order: string[] = [];
  let commitEarly: (() => void) | undefined;
  const waits = new Promise<void>((resolve) => {
    commitEarly = resolve;
  });
  // The early one has begun and written what is its own; its append comes last (R3).
  const earlier = early.transaction(async (tx) => {
    await tx.query({ name: 'tests.begin', text: 'select 1' }, []);
    await waits;
    const prepared = prepareAppend({
      topic: 'source',
      partitions: probe.partitions,
      occurredAt: 1,
      drafts: [draft('a', { who: 'early' })],
    });
    return sendAppend(tx, prepared);
  });
  order.push(...identitiesOf(await append(late, [draft('a', { who: 'late' })])));
  commitEarly?.();
  order.push(...identitiesOf(await earlier));
  const rows = await probe.query('select data from source.events order by position');
  expect(rows.map(({ data }) => data)).toEqual(['{"who":"late"}', '{"who":"early"}']);
  expect(order).toEqual([...order].toSorted());
});

function identitiesOf(segments: readonly AppendedSegment[]): string[] {
  return segments.flatMap(({ events }) => events.map(eventIdentity));
}

test('what an append tells of its events is what a reader of the table finds', async () => {
  const session = open('writer');
  const drafts = [
    draft('a', {
      text: 'snow ☃ 😀 "quoted" \\ \n',
      zero: 0,
      minus: -1,
      big: Number.MAX_SAFE_INTEGER,
      none: null,
      list: [1, [2]],
    }),
    draft('b', { 10: 'a', 2: 'b', nested: { é: true } }),
    { ...draft('a'), traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', version: 7 },
  ];
  const segments = await append(session, drafts);
  const log = await EventLog.open({
    session,
    topics: ['source'],
    partitions: probe.partitions,
    onError: () => undefined,
  });
  for (const { partition, events } of segments) {
    const found = await log.readTable(session, 'source', [{ partition, after: 0, upTo: events.length }], 100);
    expect(found).toEqual(events);
  }
  await log.close();
});

test('positions cross from one range table into the next, within one append too', async () => {
  const RANGE = 2 ** 22;
  await probe.query(`update log.heads set position = $1 where topic = 'source'`, [RANGE - 3]);
  const session = open('writer');
  const segments = await append(
    session,
    Array.from({ length: 6 }, (_, step) => draft('a', { step })),
  );
  expect(segments[0]?.events.map(({ position }) => position)).toEqual(
    [-2, -1, 0, 1, 2, 3].map((offset) => RANGE + offset),
  );
  const counts = await probe.query(
    `select tableoid::regclass::text as range, count(*)::int as count from source.events group by 1 order by 1`,
  );
  expect(counts).toEqual([
    { range: 'source.events_000000', count: 2 },
    { range: 'source.events_000001', count: 4 },
  ]);
  const log = await EventLog.open({
    session,
    topics: ['source'],
    partitions: probe.partitions,
    onError: () => undefined,
  });
  const partition = segments[0]?.partition ?? 0;
  const read = await log.readTable(
    session,
    'source',
    [{ partition, after: RANGE - 3, upTo: RANGE + 3 }],
    100,
  );
  expect(read).toEqual(segments[0]?.events);
  await log.close();
});

test('of events that are large few are read at once, one at least, and the next read goes on behind them', async () => {
  const session = open('writer');
  const message = 'x'.repeat(9 * 1024 * 1024);
  for (let count = 0; count < 4; count++) {
    const drafts = [{ ...draft('key-1'), data: { message } }];
    const prepared = prepareAppend({ topic: 'source', partitions: probe.partitions, occurredAt: 0, drafts });
    await session.transaction((tx) => sendAppend(tx, prepared));
  }
  const log = await EventLog.open({
    session,
    topics: ['source'],
    partitions: probe.partitions,
    onError: () => undefined,
  });
  const partition =
    log
      .heads()
      .get('source')
      ?.findIndex((head) => head === 4) ?? -1;
  const read = async (after: number) =>
    (await log.readTable(session, 'source', [{ partition, after, upTo: 4 }], 100)).map(
      ({ position }) => position,
    );
  expect(await read(0)).toEqual([1, 2]);
  expect(await read(2)).toEqual([3, 4]);
  expect(await read(3)).toEqual([4]);
  await log.close();
});

test('an append to a partition that the installation does not have fails, and leaves nothing', async () => {
  const session = open('writer');
  const prepared = prepareAppend({
    topic: 'source',
    partitions: 64,
    occurredAt: 0,
    drafts: KEYS.map((key) => draft(key)),
  });
  await expect(session.transaction((tx) => sendAppend(tx, prepared))).rejects.toMatchObject({
    state: 'LS002',
  });
  expect(await faultsOfLog()).toEqual([]);
});
