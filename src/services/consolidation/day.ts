/**
 * A day of an account: what came in and went out between its opening and its closing.
 *
 * D1: closing = opening + credits − debits, and it is the opening of the next day that has a row.
 * D2: a version rises with every commit that changes any of the figures, of this day or of one before it.
 * D3: the hash links the day's postings in the order of their sequences, so that it is the same however they came.
 * D4: a day that is counted to is not sealed. One whose opening moves stays sealed: its own postings are the same.
 * D5: a figure is within what its column holds. An account that would leave that is not counted any further.
 */
import { hash } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import type { CalendarDate } from './business-day.ts';
import type { Posting } from './posting.ts';

export interface Figures {
  readonly openingMinor: bigint;
  readonly creditsMinor: bigint;
  readonly debitsMinor: bigint;
  readonly count: bigint;
  readonly closingMinor: bigint;
}

/** Of a column of eight bytes; the other side has one more, which nobody needs. */
const FIGURE_MAX = 2n ** 63n - 1n;

/** D5 */
export function isFigure(minor: bigint): boolean {
  return -FIGURE_MAX <= minor && minor <= FIGURE_MAX;
}

/** D5 */
export function hasRoom({ openingMinor, creditsMinor, debitsMinor, closingMinor }: Figures): boolean {
  return [openingMinor, creditsMinor, debitsMinor, closingMinor].every(isFigure);
}

export interface Day extends Figures {
  readonly day: CalendarDate;
  readonly version: number;
  /** Hexadecimal. */
  readonly hash: string;
  /** Identity of the event that made this version. */
  readonly cause: string;
  readonly asOf: EpochMs;
  readonly sealedAt: EpochMs | null;
}

/** A day, and whose it is. */
export interface DayOfAccount extends Day {
  readonly key: bigint;
}

/** What a batch adds to one day. */
export interface Movement {
  readonly day: CalendarDate;
  /** In the account's order; at least one. */
  readonly postings: readonly Posting[];
}

/** Where a day begins that has no row yet. */
export interface Beginning {
  /** The closing of the last day with a row before it; 0 if there is none. */
  readonly openingMinor: bigint;
  /** Of the last version that is kept of it: of one that was wiped; 0 for none. */
  readonly keptVersion: number;
}

/** SHA-256 of the link before it, in hexadecimal, and of the posting; the first one's is empty. */
export function linkHash(before: string, posting: Posting): string {
  const { sequence, entryUuid, amountMinor, postedAfterMinor } = posting;
  return hash('sha256', `${before} ${sequence} ${entryUuid} ${amountMinor} ${postedAfterMinor}`);
}

export function sumOf({ postings }: Movement): bigint {
  return postings.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
}

/** `shiftMinor`: what the same batch adds to days before it. */
export function countTo(
  before: Day | Beginning,
  { day, postings }: Movement,
  { key, shiftMinor, now }: { readonly key: bigint; readonly shiftMinor: bigint; readonly now: EpochMs },
): DayOfAccount {
  const counted = 'version' in before ? before : NOTHING;
  let { creditsMinor, debitsMinor, hash: link } = counted;
  for (const posting of postings) {
    if (posting.amountMinor > 0n) creditsMinor += posting.amountMinor;
    else debitsMinor -= posting.amountMinor;
    link = linkHash(link, posting);
  }
  const openingMinor = before.openingMinor + shiftMinor;
  return {
    key,
    day,
    version: ('version' in before ? before.version : before.keptVersion) + 1,
    openingMinor,
    creditsMinor,
    debitsMinor,
    count: counted.count + BigInt(postings.length),
    closingMinor: openingMinor + creditsMinor - debitsMinor, // D1
    hash: link, // D3
    cause: (postings.at(-1) as Posting).cause,
    asOf: now,
    sealedAt: null, // D4
  };
}

const NOTHING = { creditsMinor: 0n, debitsMinor: 0n, count: 0n, hash: '' } as const;
