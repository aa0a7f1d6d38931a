import { expect, test } from 'vitest';
import { KINDS } from './plan/fault-kinds.ts';
import { isBroken, renderReport, spreadOf, type TortureReport } from './report.ts';

const WHOLE: TortureReport = {
  options: { faults: 2, seconds: 3, seed: 7, rate: 40, kinds: KINDS, json: false, keep: false },
  faults: { 'process-kill': 2 },
  judgement: {
    findings: [],
    cardTransactions: {},
    payments: { completed: 3 },
    refunds: {},
    acknowledged: { payment: 3 },
  },
  recoveries: [
    { number: 1, kind: 'process-kill', intakeMs: 100, intakeSinceEndMs: 150, finalMs: 400 },
    { number: 2, kind: 'process-kill', intakeMs: 300, intakeSinceEndMs: 300, finalMs: 900 },
  ],
  acknowledged: 9,
  resolutions: 0,
  seconds: 4,
  verified: { ok: true, payments: 3, findings: [] },
  failures: [],
  folder: '/tmp/run',
};

test('a run in which nothing is wrong is whole, however slow', () => {
  const slow = WHOLE.recoveries.map((recovery) => ({ ...recovery, intakeMs: 60_000 }));
  expect(isBroken({ ...WHOLE, recoveries: slow })).toBe(false);
  expect(renderReport({ ...WHOLE, recoveries: slow })).toContain('MORE THAN 5000 ms');
  expect(renderReport(WHOLE)).toContain('whole: nothing was lost');
});

const finding = { rule: 'T7', subject: 'w', what: 'has too much' };

test.each<[string, Partial<TortureReport>]>([
  ['a finding', { judgement: { ...WHOLE.judgement, findings: [finding] } }],
  ['logs and tables that differ', { verified: { ok: false, payments: 3, findings: ['balance w'] } }],
  ['a run in which nothing completed', { judgement: { ...WHOLE.judgement, payments: { failed: 3 } } }],
  ['a verification that has not looked at all', { verified: { ok: true, payments: 2, findings: [] } }],
  ['a process that ended unasked', { failures: ['a ended, and nobody had asked it to'] }],
  [
    'intake that never came back',
    { recoveries: WHOLE.recoveries.map((recovery) => ({ ...recovery, intakeMs: undefined })) },
  ],
])('%s breaks a run, which says how to repeat it', (_what, change) => {
  const broken = { ...WHOLE, ...change };
  expect(isBroken(broken)).toBe(true);
  expect(renderReport(broken)).toContain('BROKEN: repeat with --seed 7 --faults 2 --seconds 3 --rate 40');
});

test('the spread is by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(spreadOf(hundred)).toEqual({ p50: 50, p99: 99, max: 100 });
  expect(spreadOf([])).toBeUndefined();
});
