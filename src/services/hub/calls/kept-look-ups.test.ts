import { expect, test } from 'vitest';
import { KeptLookUps } from './kept-look-ups.ts';

const LONG = 'k'.repeat(60_000);
const FOR_MS = 3_600_000;

test('what was found is found again for its time, nothing included', () => {
  const kept = new KeptLookUps();
  kept.keep('a', '{"name":"A"}', FOR_MS);
  kept.keep('b', null, FOR_MS);
  kept.keep('c', '1', 0);
  expect(['a', 'b', 'c'].map((ref) => kept.find(ref)?.value)).toEqual(['{"name":"A"}', null, undefined]);
});

test('however long keys and answers are, so many are kept that they are 16 MiB together', () => {
  const kept = new KeptLookUps();
  const refs = Array.from({ length: 1000 }, (_, at) => `${at} ${LONG}`);
  for (const ref of refs) kept.keep(ref, null, FOR_MS);
  const found = refs.filter((ref) => kept.find(ref) !== undefined);
  expect(found.length * LONG.length).toBeLessThanOrEqual(16 * 1024 * 1024);
  expect(found.at(-1)).toBe(refs.at(-1));
  for (let time = 0; time < 1000; time++) kept.keep('same', LONG, FOR_MS);
  expect(kept.find(refs.at(-1) ?? '')).toBeDefined();
});
