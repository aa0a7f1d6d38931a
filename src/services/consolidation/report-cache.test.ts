import { expect, test } from 'vitest';
import { type Report, ReportCache } from './report-cache.ts';

function report(text: string): Report {
  return { stamp: '1', text: Buffer.from(text), settled: undefined };
}

function textOf(cache: ReportCache, key: string): string | undefined {
  return cache.find(key)?.text.toString();
}

test('it holds so many bytes, and forgets what was not read for longest', () => {
  const cache = new ReportCache(10);
  cache.keep('a', report('aaaa'));
  cache.keep('b', report('bbbb'));
  cache.find('a');
  cache.keep('c', report('cccc'));
  expect([textOf(cache, 'a'), textOf(cache, 'b'), textOf(cache, 'c')]).toEqual(['aaaa', undefined, 'cccc']);
  cache.keep('d', report('ddddddddddd'));
  expect(textOf(cache, 'd')).toBeUndefined();
  cache.keep('a', report('aa'));
  cache.keep('e', report('eeee'));
  expect([cache.size, textOf(cache, 'a')]).toEqual([3, 'aa']);
});
