import { expect, test } from 'vitest';
import { toldDetail, toldFailure } from './told-failure.ts';

test.each(['23505', '22P02', '42P01', 'connection'])(
  'what the database says with %s, which may quote anybody’s rows, is not told to a tenant',
  (code) => {
    const told = toldFailure({ code, text: 'invalid input syntax: "another tenant’s"' });
    expect(told).not.toContain('another');
    if (code !== 'connection') expect(told).toContain(code);
  },
);

test('an error of our own code is told as it is', () => {
  expect(toldFailure({ code: 'TypeError', text: 'no amount' })).toBe('no amount');
});

test('of what was done, identities of events are told, words of a failure are not', () => {
  expect(toldDetail({ action: 'passed_behind', detail: 'payments/0/2' })).toBe('payments/0/2');
  for (const action of ['dead_lettered', 'replay_failed'])
    expect(toldDetail({ action, detail: 'duplicate key' })).toBeNull();
});
