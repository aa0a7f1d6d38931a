/** What a batch makes of the days of the accounts that it has lined up: pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { renderInteger } from '#kernel/exact-integer.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { CalendarDate } from './business-day.ts';
import {
  type Beginning,
  countTo,
  type Day,
  type DayOfAccount,
  hasRoom,
  isFigure,
  type Movement,
  sumOf,
} from './day.ts';
import type { DayReopened } from './events.ts';
import type { AccountState, LinedUp } from './line-up.ts';
import { dayOf, type Posting } from './posting.ts';

/** A day that a batch counts to, as it is. */
export interface DayRef {
  readonly key: bigint;
  readonly day: CalendarDate;
}

export interface DaysFound {
  /** By `dayText`, each day that the batch counts to, but for those of remembered accounts. */
  readonly days: ReadonlyMap<string, Day | Beginning>;
  /** By key, of accounts with a late posting. */
  readonly closings: ReadonlyMap<bigint, Closings>;
}

export const NO_DAYS: DaysFound = { days: new Map(), closings: new Map() };

/** Those of the days behind the first that a batch counts to. */
export interface Closings {
  readonly leastMinor: bigint;
  readonly greatestMinor: bigint;
}

/** The days after one and before the next that is counted to, or all after it: their openings and closings move. */
export interface Shift {
  readonly key: bigint;
  readonly after: CalendarDate;
  readonly before: CalendarDate | null;
  readonly byMinor: bigint;
  readonly cause: string;
}

export interface Counted {
  /** Days that had no row. */
  readonly begun: readonly DayOfAccount[];
  /** Days as they are now. */
  readonly changed: readonly DayOfAccount[];
  readonly shifts: readonly Shift[];
  readonly standings: readonly Standing[];
  readonly reopened: readonly EventDraft<DayReopened>[];
  /** Of which nothing is counted, as a day has no room for it (D5). */
  readonly full: readonly LinedUp[];
}

export interface Standing {
  readonly key: bigint;
  readonly sequence: bigint;
  readonly lastDay: CalendarDate;
  /** Of an account that is remembered: the change number that it must still have. */
  readonly change: bigint | undefined;
  /** The last one that was counted to, as it is now. */
  readonly counted: DayOfAccount;
}

export function dayText({ key, day }: DayRef): string {
  return `${key}/${day}`;
}

/** The days that the next postings count for, ascending. */
export function movementsOf({ account, day: known, next }: LinedUp): Movement[] {
  const { facts } = account;
  if (facts === undefined || next.length === 0) return [];
  if (known !== undefined) return [{ day: known.day, postings: next }];
  return [...Map.groupBy(next, (posting) => dayOf(posting, facts.timeZone))]
    .map(([day, postings]) => ({ day, postings }))
    .sort((a, b) => (a.day < b.day ? -1 : 1));
}

export function countPostings(linedUp: readonly LinedUp[], found: DaysFound, now: EpochMs): Counted {
  const counted = {
    begun: [] as DayOfAccount[],
    changed: [] as DayOfAccount[],
    shifts: [] as Shift[],
    standings: [] as Standing[],
    reopened: [] as EventDraft<DayReopened>[],
    full: [] as LinedUp[],
  };
  for (const each of linedUp) {
    const steps = stepsOf(each, found, now);
    const closings = found.closings.get(each.account.key);
    if (steps.every((step) => fits(step, closings))) countOne(each, steps, counted);
    else counted.full.push(each);
  }
  return counted;
}

/** A day that is counted to, and how far those behind it move. */
interface CountStep {
  readonly movement: Movement;
  readonly before: Day | Beginning;
  readonly day: DayOfAccount;
  readonly shift: Shift | undefined;
}

function stepsOf(linedUp: LinedUp, found: DaysFound, now: EpochMs): CountStep[] {
  const { account } = linedUp;
  const { key } = account;
  let shiftMinor = 0n;
  return movementsOf(linedUp).map((movement, index, movements) => {
    const before = linedUp.day ?? (found.days.get(dayText({ key, day: movement.day })) as Day | Beginning);
    const day = countTo(before, movement, { key, shiftMinor, now });
    shiftMinor += sumOf(movement);
    const shift = shiftBehind(account, { movement, upTo: movements[index + 1], shiftMinor });
    return { movement, before, day, shift };
  });
}

/** D5. The openings behind are closings of the days before them. */
function fits({ day, shift }: CountStep, closings: Closings | undefined): boolean {
  if (!hasRoom(day)) return false;
  if (shift === undefined || closings === undefined) return true;
  const { byMinor } = shift;
  const { leastMinor, greatestMinor } = closings;
  return [byMinor, leastMinor + byMinor, greatestMinor + byMinor].every(isFigure);
}

function countOne(
  { account, next }: LinedUp,
  steps: readonly CountStep[],
  counted: {
    begun: DayOfAccount[];
    changed: DayOfAccount[];
    shifts: Shift[];
    standings: Standing[];
    reopened: EventDraft<DayReopened>[];
  },
): void {
  for (const { movement, before, day, shift } of steps) {
    if ('version' in before) {
      counted.changed.push(day);
      if (before.sealedAt !== null) counted.reopened.push(reopening(account, { before, day, movement }));
    } else {
      counted.begun.push(day);
    }
    if (shift !== undefined) counted.shifts.push(shift);
  }
  const last = steps.at(-1)?.day;
  if (last === undefined) return;
  counted.standings.push({
    key: account.key,
    sequence: (next.at(-1) as Posting).sequence,
    lastDay: account.lastDay !== null && account.lastDay > last.day ? account.lastDay : last.day,
    change: account.change,
    counted: last,
  });
}

/** Nothing on the way that is usual: no day with a row follows, or what came and what went are equal. */
function shiftBehind(
  { key, lastDay }: AccountState,
  {
    movement,
    upTo,
    shiftMinor,
  }: { readonly movement: Movement; readonly upTo: Movement | undefined; readonly shiftMinor: bigint },
): Shift | undefined {
  const { day, postings } = movement;
  if (shiftMinor === 0n || lastDay === null || lastDay <= day) return undefined;
  const { cause } = postings.at(-1) as Posting;
  return { key, after: day, before: upTo?.day ?? null, byMinor: shiftMinor, cause };
}

function reopening(
  { tenant, id }: AccountState,
  { before, day, movement }: { readonly before: Day; readonly day: Day; readonly movement: Movement },
): EventDraft<DayReopened> {
  const first = movement.postings[0] as Posting;
  return {
    type: 'day.reopened',
    version: 1,
    subject: id,
    tenant,
    key: id,
    data: {
      account_id: id,
      date: day.day,
      version: day.version,
      sealed_version: before.version,
      sealed_hash: before.hash,
      moved: renderInteger(sumOf(movement)),
      cause: first.cause,
    },
    correlationId: first.correlationId,
    causation: first.cause,
    traceparent: null,
  };
}
