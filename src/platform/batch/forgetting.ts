/** Old rows forgotten in the background, a small commit at a time, so that it takes little from what is under way. */
import { Chore } from './chore.ts';

/** Of one commit: some milliseconds. */
export const FORGOTTEN_AT_ONCE = 500;
/** Between two commits: 2500 rows a second. */
const PAGE_PAUSE_MS = 200;
/** Between two rounds over all that is there. */
const ROUND_PAUSE_MS = 600_000;
const BEGINS_AFTER_MS = 60_000;

export interface ForgettingOptions {
  /** Forgets a page, and tells whether there may be more. */
  readonly forgetPage: () => Promise<boolean>;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

export function forgettingChore({ forgetPage, ...options }: ForgettingOptions): Chore {
  const work = async (): Promise<number> => ((await forgetPage()) ? PAGE_PAUSE_MS : ROUND_PAUSE_MS);
  return new Chore({ ...options, pauseMs: BEGINS_AFTER_MS, work });
}
