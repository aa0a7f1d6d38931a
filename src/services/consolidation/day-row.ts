/** A day as its rows have it. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Day } from './day.ts';

export interface DayRow {
  account_key: bigint;
  day: string;
  version: number;
  opening: bigint;
  credits: bigint;
  debits: bigint;
  count: bigint;
  closing: bigint;
  hash: string;
  cause: string;
  as_of: EpochMs;
  sealed_at: EpochMs | null;
}

export function dayFrom(row: DayRow): Day {
  return {
    day: row.day,
    version: row.version,
    openingMinor: row.opening,
    creditsMinor: row.credits,
    debitsMinor: row.debits,
    count: row.count,
    closingMinor: row.closing,
    hash: row.hash,
    cause: row.cause,
    asOf: row.as_of,
    sealedAt: row.sealed_at,
  };
}
