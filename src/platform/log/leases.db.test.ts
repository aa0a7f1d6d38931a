import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { textArray } from '#platform/postgres/arrays.ts';
import { Session, statement } from '#platform/postgres/session.ts';
import { CutProxy } from '../../../tests/cut-proxy.ts';
import { PROBE_GROUP, Probe } from '../../../tests/probe.ts';
import { LEASE_TTL_MS, LeaseKeeper } from './lease-keeper.ts';

let probe: Probe;
let session: Session;

beforeAll(async () => {
  probe = await Probe.open();
  session = new Session({ url: probe.url, name: 'leases' });
});

afterAll(async () => {
  await session.close();
  await probe.close();
});

beforeEach(() => startAnew(16));

/** An installation of so many partitions, in which nobody works yet. */
async function startAnew(partitions: number): Promise<void> {
  await probe.query(`delete from log.processes; delete from log.leases`);
  await probe.query(`update log.installation set partitions = ${partitions}`);
  await probe.query(`insert into log.leases select $1, n from generate_series(0, $2::int - 1) n`, [
    PROBE_GROUP,
    partitions,
  ]);
}

const TEND = statement(
  'tests.tend',
  `select partition from log.tend_leases($1, $2::text[], '{}'::text[], interval '1 hour', $3::text[]) where partition is not null order by 1`,
);
const LEAVE = statement('tests.leave', 'select log.leave($1)');

/** One turn of a process: the partitions that it has afterwards. */
async function tend(process: string, refused: readonly number[] = []): Promise<number[]> {
  const keys = refused.map((partition) => `${PROBE_GROUP}/${partition}`);
  const rows = await session.query<{ partition: number }>(TEND, [
    process,
    textArray([PROBE_GROUP]),
    textArray(keys),
  ]);
  return rows.map(({ partition }) => partition);
}

/** As a process that was killed: its leases run out, and nobody has seen it for long. */
async function expire(process: string): Promise<void> {
  await probe.query(`update log.leases set expires_at = now() - interval '2 hours' where owner = $1`, [
    process,
  ]);
  await probe.query(`update log.processes set seen_at = now() - interval '2 hours' where id = $1`, [process]);
}

async function owners(): Promise<(string | null)[]> {
  const rows = await probe.query<{ owner: string | null }>('select owner from log.leases order by partition');
  return rows.map(({ owner }) => owner);
}

const NAMES = ['ant', 'bee', 'cow', 'dog', 'eel'];
const steps = fc.array(
  fc.record({
    act: fc.constantFrom('tend', 'tend', 'tend', 'leave', 'expire'),
    who: fc.constantFrom(...NAMES),
  }),
  { maxLength: 25 },
);

test('whoever joins, leaves or dies in whatever order: after two turns of all, every partition has one owner and shares differ by one at most', async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 40 }), steps, async (partitions, taken) => {
    await startAnew(partitions);
    const live = new Set<string>();
    for (const { act, who } of taken) {
      if (act === 'tend') {
        const share = await tend(who);
        live.add(who);
        expect(share.length).toBeLessThanOrEqual(Math.ceil(partitions / live.size));
      } else if (act === 'leave') await session.query(LEAVE, [who]);
      else await expire(who);
      if (act !== 'tend') live.delete(who);
    }
    live.add('ant');
    const shares = new Map<string, number[]>();
    for (let round = 0; round < 3; round++) for (const who of live) shares.set(who, await tend(who));
    expect([...shares.values()].flat().toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: partitions }, (_, n) => n),
    );
    const sizes = [...shares.values()].map((share) => share.length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });
  await fc.assert(property, { numRuns: 60 });
});

test('turns at the same moment neither deadlock nor give a partition to two', async () => {
  const sessions = NAMES.map((name) => new Session({ url: probe.url, name }));
  for (let round = 0; round < 10; round++) {
    const shares = await Promise.all(
      sessions.map((own, index) =>
        own.query<{ partition: number }>(TEND, [NAMES[index], textArray([PROBE_GROUP]), textArray([])]),
      ),
    );
    if (round === 9) {
      const all = shares.flat().map(({ partition }) => partition);
      expect(new Set(all).size).toBe(all.length);
      expect(all.length).toBe(16);
    }
  }
  await Promise.all(sessions.map((own) => own.close()));
});

test('who leaves is followed at once; who dies, when its leases have run out', async () => {
  await tend('ant');
  await tend('bee');
  await tend('ant');
  expect(await tend('bee')).toHaveLength(8);
  await session.query(LEAVE, ['ant']);
  expect(await tend('bee')).toHaveLength(16);
  await tend('cow');
  await tend('bee');
  await tend('cow');
  expect(await tend('bee')).toHaveLength(8);
  await expire('cow');
  expect(await tend('bee')).toHaveLength(16);
});

test('who died before the clock of the database was set back is followed as soon as anybody, and who lives keeps its share', async () => {
  await tend('ant');
  await tend('bee');
  await tend('ant');
  await tend('bee');
  await probe.query(`update log.leases set expires_at = expires_at + interval '1 day'`);
  await probe.query(`update log.processes set seen_at = seen_at + interval '1 day'`);
  expect(await tend('bee')).toHaveLength(8);
  // By the dates that `bee` gave them: an hour, which is what a lease lasts here.
  await probe.query(
    `update log.leases set expires_at = expires_at - interval '61 minutes' where owner = 'ant'`,
  );
  await probe.query(`update log.processes set seen_at = seen_at - interval '61 minutes' where id = 'ant'`);
  expect(await tend('bee')).toHaveLength(16);
});

test('a process that comes back after its leases were taken has none of them', async () => {
  await tend('ant');
  await expire('ant');
  expect(await tend('bee')).toHaveLength(16);
  expect(await tend('ant')).toEqual([]);
  await tend('bee');
  expect(await tend('ant')).toHaveLength(8);
});

test('a partition that one process refuses goes to another, and not back to the one that refuses it', async () => {
  await tend('ant');
  const refused = [0, 1];
  await tend('bee');
  await tend('ant', refused);
  await tend('bee');
  const mine = await tend('ant', refused);
  expect(mine.filter((partition) => refused.includes(partition))).toEqual([]);
  // Nobody has room for them: they are taken over the share when they have been free for longer than a lease.
  await probe.query(`update log.leases set expires_at = now() - interval '2 hours' where owner is null`);
  for (let turn = 0; turn < 4; turn++) {
    await tend('bee');
    await tend('ant', refused);
    await probe.query(`update log.leases set expires_at = now() - interval '2 hours' where owner is null`);
  }
  expect((await owners()).slice(0, 2)).toEqual(['bee', 'bee']);
  expect((await tend('ant', refused)).filter((partition) => refused.includes(partition))).toEqual([]);
});

test('a keeper has its share before it opens, tells how many live, and leaves nothing behind', async () => {
  const onOwned = vi.fn<(group: string, partitions: readonly number[], until: number) => void>();
  const askedAt = performance.now();
  const onLiveProcesses = vi.fn<(count: number) => void>();
  const keeper = new LeaseKeeper({
    session,
    processId: 'prc_1',
    groups: [PROBE_GROUP],
    services: ['probe'],
    onOwned,
    onLiveProcesses,
    onError: (error) => {
      throw error;
    },
  });
  await keeper.open();
  expect(onOwned).toHaveBeenLastCalledWith(
    PROBE_GROUP,
    Array.from({ length: 16 }, (_, n) => n),
    expect.any(Number),
  );
  expect(onOwned.mock.lastCall?.[2]).toBeGreaterThanOrEqual(askedAt + LEASE_TTL_MS);
  expect(onOwned.mock.lastCall?.[2]).toBeLessThanOrEqual(performance.now() + LEASE_TTL_MS);
  expect(onLiveProcesses).toHaveBeenLastCalledWith(1);
  await tend('bee');
  await expect.poll(() => onLiveProcesses.mock.lastCall, { timeout: 3000, interval: 20 }).toEqual([2]);
  expect(onOwned.mock.lastCall?.[1]).toHaveLength(8);
  await keeper.close();
  expect(new Set(await owners())).toEqual(new Set([null]));
  expect(await probe.query('select id from log.processes')).toEqual([{ id: 'bee' }]);
});

test('a keeper that cannot say goodbye says so and stops all the same: its leases expire', async () => {
  const proxy = await CutProxy.open(probe.url);
  const cut = new Session({ url: proxy.url, name: 'leases' });
  const onError = vi.fn<(error: unknown) => void>();
  const keeper = new LeaseKeeper({
    session: cut,
    processId: 'prc_1',
    groups: [PROBE_GROUP],
    services: ['probe'],
    onOwned: () => undefined,
    onLiveProcesses: () => undefined,
    onError,
  });
  await keeper.open();
  await proxy.close();
  await keeper.close();
  expect(onError).toHaveBeenCalledWith(expect.objectContaining({ transient: true }));
  expect(new Set(await owners())).toEqual(new Set(['prc_1']));
  await cut.close();
});
