import { expect, test } from 'vitest';
import { closestName } from './closest-name.ts';

const NAMES = ['LASTRO_HOST', 'LASTRO_MODE', 'LASTRO_PORT', 'LASTRO_RATE_LIMIT', 'LASTRO_BACKPRESSURE_HARD'];

test.each<[given: string, meant: string | undefined]>([
  ['LASTRO_PROT', 'LASTRO_PORT'],
  ['LASTRO_RATELIMIT', 'LASTRO_RATE_LIMIT'],
  ['LASTRO_RATE', 'LASTRO_RATE_LIMIT'],
  ['LASTRO_BACKPRESSUR_HARD', 'LASTRO_BACKPRESSURE_HARD'],
  ['LASTRO_USER', undefined],
  ['LASTRO_', undefined],
])('%s is a slip for %s', (given, meant) => {
  expect(closestName(given, NAMES)).toBe(meant);
});
