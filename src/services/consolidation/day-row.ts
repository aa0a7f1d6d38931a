/** A day as its rows have it. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Day } from './day.ts';

const COLUMNS = [
  'account_key',
  'day',
  'version',
  'opening',
  'credits',
  'debits',
  'count',
  'closing',
  'hash',
  'cause',
  'as_of',
  'sealed_at',
] as const satisfies readonly (keyof DayRow)[];

/** Of a day, and of a version of it that was replaced. */
export const DAY_COLUMNS = COLUMNS.join(', ');

export function dayColumnsIn(alias: string): string {
  return COLUMNS.map((column) => `${alias}.${column}`).join(', ');
}

/** As a `DayRow` has them. */
export function dayRowIn(alias: string): string {
  return COLUMNS.map((column) =>
    column === 'hash' ? `encode(${alias}.hash, 'hex') as hash` : `${alias}.${column}`,
  ).join(', ');
}

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
