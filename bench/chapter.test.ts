import { describe, expect, it } from 'vitest';
import { chapterOf, oneOrAll } from './chapter.ts';
import { SCENARIOS } from './chapters.ts';
import type { Stage } from './stage.ts';

const STAGE = {} as Stage;

const CHAPTER = chapterOf<number>({
  scenarios: [
    { name: 'one', runs: 'always', measure: async () => 1 },
    { name: 'two', runs: 'full', measure: async () => 2 },
  ],
  faults: (findings) => findings.filter((finding) => finding > 1).map((finding) => `found ${finding}`),
  render: (findings) => [`found ${findings.join(' and ')}`],
  record: (findings) => ({ found: findings }),
});

describe('a chapter', () => {
  it('keeps what each of its scenarios finds, in the order in which they are run, a repeated one too', async () => {
    const run = CHAPTER.begin();
    for (const name of ['two', 'one', 'two']) await run.measure(STAGE, name);
    expect(run.render()).toEqual(['found 2 and 1 and 2']);
    expect(run.record()).toEqual({ found: [2, 1, 2] });
    expect(run.faults({ strict: false })).toEqual(['found 2', 'found 2']);
  });

  it('renders nothing of a run that had none of its scenarios, and says so in the record', async () => {
    const run = CHAPTER.begin();
    await run.measure(STAGE, 'another');
    expect(run.render()).toEqual([]);
    expect(run.record()).toEqual({ found: [] });
  });

  it('begins each run with nothing', async () => {
    await CHAPTER.begin().measure(STAGE, 'one');
    expect(CHAPTER.begin().record()).toEqual({ found: [] });
  });
});

describe('oneOrAll', () => {
  it('drops none', () => {
    expect([[], [1], [1, 2]].map(oneOrAll)).toEqual([undefined, 1, [1, 2]]);
  });
});

describe('the list of chapters', () => {
  it('has each name once', () => {
    const names = SCENARIOS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
