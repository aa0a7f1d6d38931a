/** Pages of a log whose events are large, over the real log. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { appendEvents } from '../../../tests/append-events.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type EventDraft, eventIdentity, type LogEvent } from './event.ts';
import { type LogPage, LogPages } from './log-pages.ts';

const TENANT = 'acme';
const PARTITIONS = 4;
const MEGABYTE = 1024 * 1024;
const LARGE = 60_000;

let database: TestDatabase;
let pool: ReadPool;
let pages: LogPages;
/** Characters of the largest answer of the database. */
let largestAnswer: number;

beforeEach(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  pool = new ReadPool({ url: database.url, onError: () => {}, connections: 1 });
  largestAnswer = 0;
  pages = new LogPages({
    async query<Row>(text: string, values: readonly unknown[]) {
      const rows = await pool.query<Row & object>(text, values);
      largestAnswer = Math.max(
        largestAnswer,
        rows.flatMap((row): unknown[] => Object.values(row)).join('').length,
      );
      return rows;
    },
  });
});

afterEach(async () => {
  await pool.close();
  await database.drop();
});

function draft(key: string, { length, tenant = TENANT }: { length: number; tenant?: string }): EventDraft {
  return {
    type: 'integration.requested',
    version: 1,
    subject: key,
    tenant,
    key,
    data: { message: 'x'.repeat(length) },
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
}

function append(drafts: readonly EventDraft[]): Promise<LogEvent[]> {
  return appendEvents({ url: database.url, partitions: PARTITIONS }, 'hub', drafts);
}

/** Every page up to the end of the log. */
async function readThrough(): Promise<LogPage[]> {
  const read = [await pages.read('hub', TENANT, [], 500)];
  for (let last = read[0]; last?.more === true; last = read.at(-1))
    read.push(await pages.read('hub', TENANT, last.place, 500));
  return read;
}

function lengthOf({ events }: LogPage): number {
  return events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
}

test('a page of large events is short, and the next ones go on: each event once, in order, and no more is read', async () => {
  const keys = Array.from({ length: 50 }, (_, n) => `key-${n}`);
  const appended = await append(
    keys.flatMap((key) => [
      draft(key, { length: LARGE, tenant: 'other' }),
      draft(key, { length: LARGE }),
      draft(key, { length: 10 }),
    ]),
  );
  const read = await readThrough();
  expect(read.map(lengthOf).filter((length) => length > MEGABYTE + 2 * LARGE)).toEqual([]);
  expect(read).toHaveLength(3);
  expect(largestAnswer).toBeLessThan(MEGABYTE + 2 * LARGE);
  const own = appended.filter(({ tenant }) => tenant === TENANT);
  const events = read.flatMap((page) => page.events);
  expect(events.map(eventIdentity).toSorted()).toEqual(own.map(eventIdentity).toSorted());
  for (const [partition, those] of Map.groupBy(events, (event) => event.partition)) {
    const positions = those.map(({ position }) => position);
    expect(positions, `of partition ${partition}`).toEqual(positions.toSorted((a, b) => a - b));
  }
});

test('a short page has events of every partition', async () => {
  await append(Array.from({ length: 100 }, (_, n) => draft(`key-${n}`, { length: LARGE })));
  const { events } = await pages.read('hub', TENANT, [], 500);
  expect(new Set(events.map(({ partition }) => partition)).size).toBe(PARTITIONS);
});

test('an event that is larger than a page is a page', async () => {
  const appended = await append(Array.from({ length: 3 }, () => draft('key', { length: 2 * MEGABYTE })));
  const read = await readThrough();
  expect(read.map(({ events }) => events.map(eventIdentity))).toEqual(
    appended.map((each) => [eventIdentity(each)]),
  );
});
