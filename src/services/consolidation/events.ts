/** Events of the consolidation's log, as data. Their schemas, which are permanent, are the files of `events/`. */
export type DaySealed = {
  readonly account_id: string;
  readonly date: string;
  readonly version: number;
  readonly currency: string;
  readonly opening: number;
  readonly credits: number;
  readonly debits: number;
  readonly count: number;
  readonly closing: number;
  readonly hash: string;
};

export type DayReopened = {
  readonly account_id: string;
  readonly date: string;
  readonly version: number;
  readonly sealed_version: number;
  readonly sealed_hash: string;
  readonly moved: number;
  readonly cause: string;
};
