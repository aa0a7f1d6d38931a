import { expect, test } from 'vitest';
import { type Report, ReportCache } from './report-cache.ts';

/** Of so many bytes, with what an entry takes beside. */
function report(letter: string, bytes: number): Report {
  return { stamp: '1', text: Buffer.alloc(bytes, letter), settled: undefined };
}

function lengthOf(cache: ReportCache, key: string): number | undefined {
  return cache.find(key)?.text.length;
}

test('it holds so many bytes, entries and all, and forgets what was not read for longest', () => {
  const cache = new ReportCache(13_100);
  cache.keep('a', report('a', 4000));
  cache.keep('b', report('b', 4000));
  cache.find('a');
  cache.keep('c', report('c', 4000));
  expect([lengthOf(cache, 'a'), lengthOf(cache, 'b'), lengthOf(cache, 'c')]).toEqual([4000, undefined, 4000]);
  cache.keep('d', report('d', 12_500));
  expect(lengthOf(cache, 'd')).toBeUndefined();
  cache.keep('a', report('a', 2000));
  cache.keep('e', report('e', 4000));
  expect([cache.size, lengthOf(cache, 'a')]).toEqual([3, 2000]);
});

test('of reports that are nearly empty it holds no more than their entries allow', () => {
  const cache = new ReportCache(100_000);
  for (let index = 0; index < 1000; index++) cache.keep(`report ${index}`, report('x', 10));
  expect(cache.size).toBeLessThan(100);
});
