import { expect, test } from 'vitest';
import { ReportCache } from './report-cache.ts';

const report = (stamp: string, text: string, accounts = ['acme/a']) => ({ stamp, text, accounts });

test('F3: a report is given only at the change that it was made at', () => {
  const cache = new ReportCache();
  cache.keep('a', report('1', 'old'));
  expect(cache.find('a', '1')).toBe('old');
  expect(cache.find('a', '2')).toBeUndefined();
  expect(cache.size).toBe(0);
});

test('F3: what an account’s change has made old is forgotten, and nothing else', () => {
  const cache = new ReportCache();
  cache.keep('a', report('1', 'of a'));
  cache.keep('ab', report('1', 'of a and b', ['acme/a', 'acme/b']));
  cache.keep('b', report('1', 'of b', ['acme/b']));
  cache.changed(['acme/a', 'acme/nobody']);
  expect([cache.find('a', '1'), cache.find('ab', '1'), cache.find('b', '1')]).toEqual([
    undefined,
    undefined,
    'of b',
  ]);
});

test('it holds so many characters, and forgets what was not read for longest', () => {
  const cache = new ReportCache(10);
  cache.keep('a', report('1', 'aaaa'));
  cache.keep('b', report('1', 'bbbb'));
  cache.find('a', '1');
  cache.keep('c', report('1', 'cccc'));
  expect([cache.find('a', '1'), cache.find('b', '1'), cache.find('c', '1')]).toEqual([
    'aaaa',
    undefined,
    'cccc',
  ]);
  cache.keep('d', report('1', 'ddddddddddd'));
  expect(cache.find('d', '1')).toBeUndefined();
  cache.keep('a', report('2', 'aa'));
  cache.keep('e', report('1', 'eeee'));
  expect(cache.size).toBe(3);
});
