import { expect, test } from 'vitest';
import type { OwnedJob } from './job.ts';
import { Shares } from './shares.ts';

function jobOf(tenant: string): OwnedJob {
  return { tenant, kind: 'values', source: '[]', message: '{}' };
}

test.each([
  [99, undefined],
  [100, 'later'],
  [101, 'later'],
])('of a share of 100 ms a tenant that has had %d is %s', (tookMs, kind) => {
  const shares = new Shares(100);
  for (const part of [60, tookMs - 60]) shares.note(jobOf('slow'), part);
  expect(shares.resultOf(jobOf('slow'))?.kind).toBe(kind);
  expect(shares.resultOf(jobOf('other'))).toBeUndefined();
});

test('the first job of a tenant is worked on, however small the share; without a share all are', () => {
  expect(new Shares(0).resultOf(jobOf('slow'))).toBeUndefined();
  const shares = new Shares();
  shares.note(jobOf('slow'), 1_000_000);
  expect(shares.resultOf(jobOf('slow'))).toBeUndefined();
});
