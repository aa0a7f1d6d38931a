import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { partitionOf } from '#kernel/partition-of.ts';
import { Session } from '#platform/postgres/session.ts';
import { interleaved, keysNamed, PROBE_GROUP, Probe } from '../../../tests/probe.ts';
import { LagMonitor } from './lag-monitor.ts';

let probe: Probe;
let session: Session;
let monitors: LagMonitor[] = [];

beforeAll(async () => {
  probe = await Probe.open();
  session = new Session({ url: probe.url, name: 'lags' });
});

afterEach(async () => {
  await Promise.all(monitors.map((monitor) => monitor.close()));
  monitors = [];
  await probe.reset();
});

afterAll(async () => {
  await session.close();
  await probe.close();
});

async function open(bounds: { soft: number; hard: number; criticalGroups?: readonly string[] }) {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const monitor = new LagMonitor({
    session,
    criticalGroups: [PROBE_GROUP],
    partitions: probe.partitions,
    onError,
    ...bounds,
  });
  await monitor.open();
  monitors.push(monitor);
  return { monitor, errors };
}

const BEHIND = interleaved(keysNamed(20), 3);
const ONE_BEHIND = { tenant: 'acme', key: 'key-0' };

test('the lag of a group is what it has still to pass, over all its topics and partitions', async () => {
  await probe.append(BEHIND);
  await probe.append(interleaved(keysNamed(5), 1), 'second');
  await probe.append(interleaved(keysNamed(7), 1), 'target'); // Which it does not read.
  const { monitor } = await open({ soft: 1, hard: 2 });
  expect(monitor.lags.get(PROBE_GROUP)).toBe(65);
  await probe.start({ topics: ['source', 'second'] });
  await expect.poll(() => monitor.lags.get(PROBE_GROUP)).toBe(0);
});

test('intake waits past the soft bound and refuses past the hard one, whose wallet has events to pass', async () => {
  await probe.append(BEHIND);
  const at = async (soft: number, hard: number) => {
    const { monitor } = await open({ soft, hard });
    return { waits: monitor.delayMs() > 0, refuses: monitor.isOverloaded(ONE_BEHIND) };
  };
  expect(await at(60, 61)).toEqual({ waits: false, refuses: false });
  expect(await at(59, 60)).toEqual({ waits: true, refuses: false });
  expect(await at(58, 59)).toEqual({ waits: true, refuses: true });
});

test('the lag is looked at again and again', async () => {
  const { monitor } = await open({ soft: 10, hard: 1000 });
  expect(monitor.delayMs()).toBe(0);
  await probe.query(`update log.heads set position = 1000000 where topic = 'source'`);
  await expect.poll(() => monitor.delayMs()).toBe(100);
});

test('W6: what stands behind an event that holds its partition up is refused itself, and holds up nobody else', async () => {
  const failing = ONE_BEHIND;
  const partition = partitionOf(failing.tenant, failing.key, probe.partitions);
  const others = keysNamed(20).filter((key) => partitionOf('acme', key, probe.partitions) !== partition);
  await probe.start({
    onDecide: (events) => {
      if (events.some(({ key, data }) => key === failing.key && data['step'] === 1))
        throw new Fault('a table is missing', { transient: false });
    },
  });
  const { monitor } = await open({ soft: 10, hard: 100 });
  await probe.append(interleaved([failing.key], 101));
  await expect.poll(() => monitor.isOverloaded(failing)).toBe(true);
  expect(monitor.delayMs()).toBeGreaterThan(0);
  const goOn = async () => {
    await probe.append(interleaved(others, 1));
    return monitor.delayMs();
  };
  await expect.poll(goOn, { timeout: 20_000, interval: 50 }).toBe(0);
  expect(monitor.isOverloaded(failing)).toBe(true);
  expect(others.filter((key) => monitor.isOverloaded({ tenant: 'acme', key }))).toEqual([]);
});

test('a group that no payment waits for never counts', async () => {
  await probe.append(BEHIND);
  const { monitor } = await open({ soft: 1, hard: 2, criticalGroups: ['somebody else'] });
  expect([monitor.delayMs(), monitor.isOverloaded(ONE_BEHIND)]).toEqual([0, false]);
  expect(monitor.lags.get(PROBE_GROUP)).toBe(60);
});

test('a look that fails is told and followed by others', async () => {
  const { monitor, errors } = await open({ soft: 1, hard: 2 });
  await probe.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lastro lags'`,
  );
  await probe.append(BEHIND);
  await expect.poll(() => monitor.lags.get(PROBE_GROUP)).toBe(60);
  expect(errors.length).toBeLessThan(3);
});
