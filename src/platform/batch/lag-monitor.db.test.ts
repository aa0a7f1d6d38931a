import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Session } from '#platform/postgres/session.ts';
import { interleaved, keysNamed, PROBE_GROUP, Probe } from '../../../tests/probe.ts';
import { LagMonitor } from './lag-monitor.ts';

const PATIENCE = { timeout: 5000, interval: 10 };

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
  const monitor = new LagMonitor({ session, criticalGroups: [PROBE_GROUP], onError, ...bounds });
  await monitor.open();
  monitors.push(monitor);
  return { monitor, errors };
}

const BEHIND = interleaved(keysNamed(20), 3);

test('the lag of a group is what it has still to pass, over all its topics and partitions', async () => {
  await probe.append(BEHIND);
  await probe.append(interleaved(keysNamed(5), 1), 'second');
  await probe.append(interleaved(keysNamed(7), 1), 'target'); // Which it does not read.
  const { monitor } = await open({ soft: 1, hard: 2 });
  expect(monitor.lags.get(PROBE_GROUP)).toBe(65);
  await probe.start({ topics: ['source', 'second'] });
  await expect.poll(() => monitor.lags.get(PROBE_GROUP), PATIENCE).toBe(0);
});

test('bounds are passed by one event: at the soft one nothing waits, at the hard one nothing is refused', async () => {
  await probe.append(BEHIND);
  const at = async (soft: number, hard: number) => {
    const { monitor } = await open({ soft, hard });
    return { waits: monitor.delayMs() > 0, refuses: monitor.overloaded };
  };
  expect(await at(61, 62)).toEqual({ waits: false, refuses: false });
  expect(await at(60, 61)).toEqual({ waits: false, refuses: false });
  expect(await at(59, 60)).toEqual({ waits: true, refuses: false });
  expect(await at(58, 59)).toEqual({ waits: true, refuses: true });
});

test('the delay grows with the lag and ends at a caller’s patience', async () => {
  await probe.append(BEHIND);
  const { monitor: near } = await open({ soft: 59, hard: 1000 });
  const { monitor: far } = await open({ soft: 10, hard: 1000 });
  expect(near.delayMs()).toBeLessThan(far.delayMs());
  await probe.query(`update log.heads set position = 1000000 where topic = 'source'`);
  await expect.poll(() => far.delayMs(), PATIENCE).toBe(100);
});

test('a group that no payment waits for never counts', async () => {
  await probe.append(BEHIND);
  const { monitor } = await open({ soft: 1, hard: 2, criticalGroups: ['somebody else'] });
  expect({ waits: monitor.delayMs(), refuses: monitor.overloaded }).toEqual({ waits: 0, refuses: false });
  expect(monitor.lags.get(PROBE_GROUP)).toBe(60);
});

test('a look that fails is told and followed by others', async () => {
  const { monitor, errors } = await open({ soft: 1, hard: 2 });
  await probe.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lastro lags'`,
  );
  await probe.append(BEHIND);
  await expect.poll(() => monitor.lags.get(PROBE_GROUP), PATIENCE).toBe(60);
  expect(errors.length).toBeLessThan(3);
});
