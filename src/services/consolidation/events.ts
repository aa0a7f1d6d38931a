/** Events of the consolidation's log, as data. Their schemas, which are permanent, are the files of `events/`. */
import type { ExactInteger } from '#kernel/exact-integer.ts';

export type DaySealed = {
  readonly account_id: string;
  readonly date: string;
  readonly version: number;
  readonly currency: string;
  readonly opening: ExactInteger;
  readonly credits: ExactInteger;
  readonly debits: ExactInteger;
  readonly count: number;
  readonly closing: ExactInteger;
  readonly hash: string;
};

export type DayReopened = {
  readonly account_id: string;
  readonly date: string;
  readonly version: number;
  readonly sealed_version: number;
  readonly sealed_hash: string;
  readonly moved: ExactInteger;
  readonly cause: string;
};
