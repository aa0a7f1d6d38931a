import { describe, expect, it } from 'vitest';
import { CHAPTERS } from './chapters.ts';
import { type BenchReport, recordOf, renderReport } from './report.ts';

const REPORT: BenchReport = {
  at: '2026-01-01T00:00:00.000Z',
  options: {},
  machine: { cpu: 'a cpu', cores: 2, memoryGib: 4, system: 'linux', node: 'v24', syncMs: null },
  database: {},
  revision: { commit: 'abc', modified: false },
  chapters: CHAPTERS.map((chapter) => chapter.begin()),
  costs: [],
  plainSql: undefined,
  peer: undefined,
  verify: { status: 0, output: '' },
  faults: [],
};

describe('the result of a run', () => {
  it('has a member for what was not measured either, or none', () => {
    expect(JSON.parse(JSON.stringify(recordOf(REPORT)))).toMatchObject({
      scenarios: [],
      cards: [],
      cashEntries: [],
      days: [],
      costs: [],
      faults: [],
    });
    expect(recordOf(REPORT)).not.toHaveProperty('chapters');
  });

  it('is short where nothing was measured, and says whether anything was lost', () => {
    expect(renderReport(REPORT)).toMatch(
      /commit {4}abc\n {2}options {3}\{\}\n\nverify: clean\nnothing lost\n$/,
    );
    const failed = { ...REPORT, verify: { status: 1, output: 'a\nb' }, faults: ['uniform: 1 lost'] };
    expect(renderReport(failed)).toMatch(/verify: not clean\n {2}a\n {2}b\nFAILED {2}uniform: 1 lost\n$/);
  });
});
