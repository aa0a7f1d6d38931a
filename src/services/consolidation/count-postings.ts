/** What a batch makes of the days of the accounts that it has lined up: pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { renderInteger } from '#kernel/exact-integer.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { CalendarDate } from './business-day.ts';
import { type Beginning, countTo, type Day, type DayOfAccount, type Movement, sumOf } from './day.ts';
import type { DayReopened } from './events.ts';
import type { AccountState, LinedUp } from './line-up.ts';
import { dayOf, type Posting } from './posting.ts';

/** A day that a batch counts to, as it is. */
export interface DayRef {
  readonly key: bigint;
  readonly day: CalendarDate;
}

/** By `dayText`, each day that the batch counts to, but for those of remembered accounts. */
export type DaysFound = ReadonlyMap<string, Day | Beginning>;

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
  };
  for (const each of linedUp) countOne(each, { found, now, counted });
  return counted;
}

function countOne(
  linedUp: LinedUp,
  {
    found,
    now,
    counted,
  }: {
    readonly found: DaysFound;
    readonly now: EpochMs;
    readonly counted: {
      begun: DayOfAccount[];
      changed: DayOfAccount[];
      shifts: Shift[];
      standings: Standing[];
      reopened: EventDraft<DayReopened>[];
    };
  },
): void {
  const { account, next } = linedUp;
  const { key } = account;
  const movements = movementsOf(linedUp);
  let shiftMinor = 0n;
  let last: DayOfAccount | undefined;
  for (const [index, movement] of movements.entries()) {
    const before = linedUp.day ?? (found.get(dayText({ key, day: movement.day })) as Day | Beginning);
    const day = countTo(before, movement, { key, shiftMinor, now });
    last = day;
    if ('version' in before) {
      counted.changed.push(day);
      if (before.sealedAt !== null) counted.reopened.push(reopening(account, { before, day, movement }));
    } else {
      counted.begun.push(day);
    }
    shiftMinor += sumOf(movement);
    const shift = shiftBehind(account, { movement, upTo: movements[index + 1], shiftMinor });
    if (shift !== undefined) counted.shifts.push(shift);
  }
  if (last === undefined) return;
  counted.standings.push({
    key,
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
