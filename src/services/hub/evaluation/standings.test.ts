/** V3, V5: how tenants stand whose expressions were stopped; the clock is the test's. */
import { expect, test } from 'vitest';
import { JOB_MAX_MS, type JobResult, type OwnedJob } from './job.ts';
import { Standings } from './standings.ts';

const STOPPED: JobResult = { kind: 'overrun', detail: 'stopped' };
const DONE: JobResult = { kind: 'values', values: [] };
const ALONE = { isShared: false };
const SHARED = { isShared: true };

function job(source: string, tenant = 'loops'): OwnedJob {
  return { tenant, kind: 'values', source, message: '{}' };
}

function setUp() {
  let now = 1000;
  const standings = new Standings(() => now);
  return {
    standings,
    pass: (ms: number) => {
      now += ms;
    },
    /** Each of a source of its own, alone. */
    stop: (count: number, from = 0) => {
      for (let at = from; at < from + count; at++) standings.note([job(`loop ${at}`)], [STOPPED], ALONE);
    },
    refusalOf: (source: string, how = ALONE, tenant = 'loops') =>
      standings.refusalOf(job(source, tenant), how),
  };
}

test('V5: what has not come through is tried alone after eight stops, and not at all after sixteen', () => {
  const { stop, refusalOf } = setUp();
  stop(7);
  expect(refusalOf('new', SHARED)).toBeUndefined();
  stop(1, 7);
  expect(refusalOf('new', SHARED)).toMatchObject({ kind: 'overrun' });
  expect(refusalOf('new', SHARED)).not.toMatchObject({ isShunned: true });
  stop(7, 8);
  expect(refusalOf('new')).toBeUndefined();
  stop(1, 15);
  expect(refusalOf('new')).toMatchObject({ kind: 'overrun', isShunned: true });
});

test('V5: what has come through is tried with others until it is thirty-two', () => {
  const { standings, stop, refusalOf } = setUp();
  stop(1);
  standings.note([job('good')], [DONE], SHARED);
  stop(30, 1);
  expect(refusalOf('good', SHARED)).toBeUndefined();
  stop(1, 31);
  expect(refusalOf('good')).toMatchObject({ isShunned: true });
});

test('V5: what came through, and was stopped then, has come through no more', () => {
  const { standings, stop, refusalOf } = setUp();
  stop(1);
  standings.note([job('good')], [DONE], SHARED);
  stop(14, 1);
  standings.note([job('good')], [STOPPED], SHARED);
  expect(refusalOf('good')).toMatchObject({ isShunned: true });
});

test('V5: a tenth of the time is given back', () => {
  const { stop, pass, refusalOf } = setUp();
  stop(16);
  expect(refusalOf('new')).toMatchObject({ isShunned: true });
  pass(10 * JOB_MAX_MS);
  expect(refusalOf('new')).toBeUndefined();
  stop(1, 16);
  expect(refusalOf('new')).toMatchObject({ isShunned: true });
});

test('V5: a source that is stopped in several messages at once, or was not tried, counts once, or not', () => {
  const { standings, refusalOf } = setUp();
  const alike = Array.from({ length: 50 }, () => job('loop'));
  standings.note(
    alike,
    alike.map(() => STOPPED),
    SHARED,
  );
  const untried = Array.from({ length: 50 }, (_, at) => job(`untried ${at}`));
  standings.note(
    untried,
    untried.map(() => ({ ...STOPPED, isUntried: true })),
    SHARED,
  );
  expect(refusalOf('new', SHARED)).toBeUndefined();
  expect(refusalOf('untried 1', SHARED)).toBeUndefined();
});

test('V5: what was stopped by a guard counts by the time that it took', () => {
  const { standings, refusalOf } = setUp();
  for (let at = 0; at < 30; at++) standings.note([job(`guarded ${at}`)], [{ ...STOPPED, tookMs: 3 }], ALONE);
  expect(refusalOf('new', SHARED)).toBeUndefined();
});

test('V6: what was left for later has neither been stopped nor come through', () => {
  const { standings, refusalOf } = setUp();
  standings.note([job('slow')], [STOPPED], SHARED);
  standings.note([job('slow')], [{ kind: 'later' }], ALONE);
  expect(refusalOf('slow', SHARED)).toMatchObject({ kind: 'overrun' });
  expect(refusalOf('slow')).toBeUndefined();
});

test('V5: nothing of one tenant counts against another, of the same source neither', () => {
  const { standings, stop, refusalOf } = setUp();
  stop(40);
  for (let time = 0; time < 3; time++) standings.note([job('shared')], [STOPPED], ALONE);
  expect(refusalOf('shared', SHARED, 'other')).toBeUndefined();
  expect(refusalOf('new', SHARED, 'other')).toBeUndefined();
});

test('what waits is asked about in every batch: a long source costs no more than a short one', () => {
  const { standings } = setUp();
  const long = job('x'.repeat(400_000));
  standings.note([long], [STOPPED], SHARED);
  const startedAt = performance.now();
  for (let time = 0; time < 200_000; time++) standings.refusalOf(long, SHARED);
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

test('V7: of those over whom together a process has ended each is apart for a while, and the one that it ends for again pays', () => {
  const { standings, pass, refusalOf } = setUp();
  const both = [job('a', 'loops'), job('a', 'other')];
  standings.noteEnded(both);
  expect(['loops', 'other', 'third'].map((tenant) => standings.isApart(tenant))).toEqual([true, true, false]);
  for (let time = 0; time < 16; time++) standings.noteEnded([job('a', 'loops'), job('b', 'loops')]);
  expect(refusalOf('a')).toMatchObject({ isShunned: true });
  expect(refusalOf('a', ALONE, 'other')).toBeUndefined();
  pass(30_000);
  expect(standings.isApart('other')).toBe(false);
});
