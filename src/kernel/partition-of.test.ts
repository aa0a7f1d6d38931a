import { describe, expect, test } from 'vitest';
import { partitionOf } from './partition-of.ts';

/** Where stored events stand, as PostgreSQL 18 computes it. If one of these must be changed, the code is wrong. */
const FOR_EVER = [
  ['sandbox', 'wal-1234', 16, 0],
  ['sandbox', 'abc-1234', 16, 4],
  ['sandbox', 'wal-1234', 7, 0],
  ['1234', '6789', 2 ** 32, 3_785_668_101],
  ['', '', 16, 4],
  ['tenant', 'ção-€-💶', 16, 7],
  ['a', 'b/c', 1024, 329],
] as const;

describe('partitionOf', () => {
  test.each(FOR_EVER)('%s/%s of %i partitions is %i, for ever', (tenant, key, partitions, partition) => {
    expect(partitionOf(tenant, key, partitions)).toBe(partition);
  });

  test('16 partitions share 16 000 wallets evenly', () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let wallet = 0; wallet < 16_000; wallet += 1) {
      const partition = partitionOf('sandbox', `wal-${wallet}`, 16);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });
});
