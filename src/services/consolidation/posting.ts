/** What the logs of the ledger and the cards tell of accounts and their postings, as the consolidation counts it. */
import type { EpochMs } from '#kernel/clock.ts';
import { type JournalEntryId, uuidOf } from '#kernel/ids.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { AccountOpened, EntryPosted } from '#services/ledger/contract.ts';
import { type CalendarDate, dayAt } from './business-day.ts';

export interface AccountName {
  readonly tenant: string;
  readonly id: string;
}

export interface Posting {
  /** Its place in its account: 1, 2, 3 … */
  readonly sequence: bigint;
  readonly entryUuid: string;
  /** Credits positive, debits negative. */
  readonly amountMinor: bigint;
  readonly postedAfterMinor: bigint;
  readonly postedAt: EpochMs;
  /** The day that it counts for, if its entry names one. */
  readonly effectiveOn: CalendarDate | null;
  /** Identity of the event that told of it. */
  readonly cause: string;
  readonly correlationId: string;
}

export interface PostingOfAccount {
  readonly account: AccountName;
  readonly posting: Posting;
}

/** What account.opened tells that days depend on. */
export interface AccountFacts {
  readonly kind: string;
  readonly currency: string;
  readonly timeZone: string;
  readonly openedAt: EpochMs | null;
}

/** With the newest version of each that is read; an entry of a card is told by the cards alone (docs/adr/0019). */
export const TOLD: ReadonlyMap<string, number> = new Map([
  ['account.opened', 1],
  ['entry.posted', 3],
  ['card.topped_up', 1],
  ['card.approved', 1],
  ['card.captured', 1],
  ['card.reversed', 1],
]);

/** Neither tenants nor account ids have a slash. */
export function nameText({ tenant, id }: AccountName): string {
  return `${tenant}/${id}`;
}

/** In the order of the entry; none of an event without an entry, such as an approval that only sets an amount aside. */
export function postingsOf(event: LogEvent): PostingOfAccount[] {
  const entry = entryOf(event);
  if (entry === undefined) return [];
  const { tenant, correlationId } = event;
  const entryUuid = uuidOf(entry.entry_id as JournalEntryId);
  const effectiveOn = entry.effective_on ?? null;
  const cause = eventIdentity(event);
  return entry.postings.map((told) => ({
    account: { tenant, id: told.account_id },
    posting: {
      sequence: BigInt(told.sequence),
      entryUuid,
      amountMinor: BigInt(told.direction === 'debit' ? -told.amount : told.amount),
      postedAfterMinor: BigInt(told.posted_after),
      postedAt: instantOf(told.posted_at),
      effectiveOn,
      cause,
      correlationId,
    },
  }));
}

/** The last one asked for: all entries of a commit are posted at one instant. */
let lastInstant = { text: '', at: Number.NaN };

function instantOf(text: string): EpochMs {
  if (text !== lastInstant.text) lastInstant = { text, at: Date.parse(text) };
  return lastInstant.at;
}

function entryOf({ type, data }: LogEvent): EntryPosted | undefined {
  if (type === 'account.opened') return undefined;
  if (type === 'entry.posted') return data as EntryPosted;
  return (data as { entry?: EntryPosted }).entry;
}

/** Throws for a time zone that nobody knows: its account cannot have days. */
export function openedBy({
  type,
  tenant,
  data,
  occurredAt,
}: LogEvent): (AccountName & AccountFacts) | undefined {
  if (type !== 'account.opened') return undefined;
  const { account_id: id, kind, currency, time_zone: timeZone } = data as AccountOpened;
  dayAt(0, timeZone);
  return { tenant, id, kind, currency, timeZone, openedAt: occurredAt };
}

/** The day that the entry names, or else the one of the account's time zone at the posting's instant (F6). */
export function dayOf({ effectiveOn, postedAt }: Posting, timeZone: string): CalendarDate {
  return effectiveOn ?? dayAt(postedAt, timeZone);
}

/** Whose postings or opening an event tells, read with distrust: one that could not be counted may hold anything. */
export function accountsNamedIn({ tenant, data }: Pick<LogEvent, 'tenant' | 'data'>): AccountName[] {
  const entry = isObject(data['entry']) ? data['entry'] : data;
  const { postings } = entry;
  const told: readonly unknown[] = Array.isArray(postings) ? postings : [data];
  return told.flatMap((each) => {
    const id = isObject(each) ? each['account_id'] : undefined;
    return typeof id === 'string' ? [{ tenant, id }] : [];
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
