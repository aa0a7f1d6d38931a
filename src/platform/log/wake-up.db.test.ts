import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Session } from '#platform/postgres/session.ts';
import { CutProxy } from '../../../tests/cut-proxy.ts';
import { Probe } from '../../../tests/probe.ts';
import { prepareAppend, sendAppend } from './append.ts';
import { EventLog } from './event-log.ts';
import { WakeUpListener } from './wake-up.ts';

let probe: Probe;
let session: Session;
let log: EventLog;

beforeAll(async () => {
  probe = await Probe.open();
  session = new Session({ url: probe.url, name: 'appender' });
  const onError = (error: unknown): never => {
    throw error;
  };
  log = await EventLog.open({ session, topics: ['source'], partitions: probe.partitions, onError });
});

afterAll(async () => {
  await log.close();
  await session.close();
  await probe.close();
});

async function append(): Promise<void> {
  const draft = {
    type: 'tick',
    version: 1,
    subject: 'key',
    tenant: 'acme',
    key: 'key',
    data: {},
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
  const { partitions } = probe;
  const prepared = prepareAppend({ topic: 'source', partitions, occurredAt: Date.now(), drafts: [draft] });
  log.publish(await session.transaction((tx) => sendAppend(tx, prepared)));
}

async function listen() {
  const onWake = vi.fn<() => void>();
  const onError = vi.fn<(error: unknown) => void>();
  const listener = new WakeUpListener({ url: probe.url, onWake, onError });
  await listener.open();
  return { listener, onWake, onError };
}

test('a process hears of what another has appended', async () => {
  const { listener, onWake } = await listen();
  log.othersLive = true;
  await append();
  await expect.poll(() => onWake.mock.calls.length).toBe(1);
  await listener.close();
});

test('a process that lives alone notifies nobody', async () => {
  log.othersLive = false;
  await append(); // The connection is open.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    await append();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('notifications are few however many commits there are', async () => {
  const { listener, onWake } = await listen();
  log.othersLive = true;
  for (let commit = 0; commit < 40; commit++) await append();
  await expect.poll(() => onWake.mock.calls.length).toBeGreaterThan(0);
  expect(onWake.mock.calls.length).toBeLessThan(40);
  await listener.close();
});

test('a listener whose connection is lost listens again', async () => {
  const { listener, onWake, onError } = await listen();
  await probe.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lastro wake-up'`,
  );
  await expect.poll(() => onError.mock.calls.length).toBeGreaterThan(0);
  const before = onWake.mock.calls.length;
  await expect
    .poll(async () => {
      await append();
      return onWake.mock.calls.length;
    })
    .toBeGreaterThan(before);
  expect(await listeners()).toBe(1);
  await listener.close();
  await expect.poll(listeners).toBe(0);
});

async function listeners(): Promise<number> {
  const rows = await probe.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'lastro wake-up'`,
  );
  return rows.length;
}

test('a connection on which nobody could listen is not left open', async () => {
  const proxy = await CutProxy.open(probe.url);
  const lost = proxy.loseAnswerTo('listen');
  const onError = vi.fn<(error: unknown) => void>();
  const listener = new WakeUpListener({ url: proxy.url, onWake: () => undefined, onError });
  const opening = listener.open();
  await lost;
  await opening;
  expect(onError).toHaveBeenCalledOnce();
  await expect.poll(() => proxy.connections).toBe(0);
  proxy.restore();
  await expect.poll(() => proxy.connections).toBe(1);
  await listener.close();
  await proxy.close();
}, 30_000);
