/**
 * Follows the logs that tell of money, adds them up by account, and compares each entry on the way with the tables.
 *
 * A1: a cursor moves only when its page was read, added and compared; a page that failed is read again and counts once.
 * A2: followed up to the ends of the logs in a snapshot, the book is what the accounts of that snapshot must be.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { Difference, Differences, ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingEntries, differingPostings, findAccountKeys } from '#services/ledger/contract.ts';
import { type AccountBook, type AccountFromLog } from './account-book.ts';
import { cardMoneyOf } from './card-events.ts';
import {
  entryOf,
  type OpenedAccount,
  openedAccountOf,
  parseData,
  type Terms,
  type TracedEntry,
  termsOf,
} from './event-data.ts';
import { schemaOf } from './installation.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import { type Check, differenceFinding, unreadableEvent } from './report.ts';

const PAGE = { first: 2_000, least: 250, most: 8_000 };

/** Which events of which topic change an account, or what is held of it. */
const TYPES = {
  ledger: ['account.opened', 'account.closed', 'entry.posted'],
  authorization: [
    'payment.authorized',
    'payment.declined',
    'payment.failed',
    'payment.cancelling',
    'payment.cancelled',
    'payment.compensated',
    'refund.authorized',
    'refund.failed',
  ],
  cards: ['card.topped_up', 'card.approved', 'card.captured', 'card.released', 'card.reversed'],
} as const;

type MoneyTopic = keyof typeof TYPES;

interface Cursor {
  readonly topic: MoneyTopic;
  readonly partition: number;
  position: number;
}

/** Where a partition of a log ends. */
interface LogEnd {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

/**
 * Of the logs that are followed, those that have events: the last event that is not beyond the head. A head alone may say
 * anything, and would be followed to there. By primary keys.
 */
export async function readLogEnds(reader: Reader): Promise<LogEnd[]> {
  const ends = Object.keys(TYPES).map(
    (topic) => `select h.topic, h.partition, least(h.position, e.position) as position
     from log.heads h
     cross join lateral (
       select position from ${schemaOf(topic)}.events e where e.partition = h.partition order by position desc limit 1
     ) e
     where h.topic = '${topic}'`,
  );
  const rows = await reader.query<Omit<LogEnd, 'position'> & { readonly position: bigint }>(
    ends.join(' union all '),
    [],
  );
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

interface MoneyEvent {
  position: bigint;
  type: string;
  subject: string;
  tenant: string;
  causation: string;
  data: string;
  /** Of account.opened alone. */
  opened_at: EpochMs | null;
}

export class AccountFollower {
  readonly #book: AccountBook;
  readonly #check: Check;
  readonly #phase: Phase;
  readonly #cursors: readonly Cursor[];
  readonly #pageSize: PageSize;

  constructor(options: {
    book: AccountBook;
    partitions: number;
    entries: Check;
    phase: Phase;
    pageMs: number;
  }) {
    this.#pageSize = new PageSize(PAGE, options.pageMs);
    this.#book = options.book;
    this.#check = options.entries;
    this.#phase = options.phase;
    this.#cursors = (Object.keys(TYPES) as MoneyTopic[]).flatMap((topic) =>
      Array.from(
        { length: options.partitions },
        (_, partition): Cursor => ({ topic, partition, position: 0 }),
      ),
    );
  }

  get cursors(): readonly Cursor[] {
    return this.#cursors;
  }

  /** How many events the book is behind the ends of the logs. */
  behind(ends: readonly LogEnd[]): number {
    return this.#cursors.reduce((sum, cursor) => sum + Math.max(0, endOf(ends, cursor) - cursor.position), 0);
  }

  /** Follows one partition up to its end. */
  async follow(reader: Reader, cursor: Cursor, ends: readonly LogEnd[]): Promise<void> {
    const end = endOf(ends, cursor);
    while (cursor.position < end) {
      const startedAt = performance.now();
      const upTo = Math.min(end, cursor.position + this.#pageSize.rows);
      const events = (await readMoneyEvents(reader, cursor, upTo)).map((row) => readable(cursor, row));
      const entries = events.flatMap(({ entry }) => entry ?? []);
      const differences = await this.#compareEntries(reader, entries);
      // A1: nothing below waits or fails.
      for (const event of events) this.#apply(event);
      for (const entry of entries) this.#judge(entry);
      for (const difference of differences) this.#report(difference);
      this.#phase.advance(upTo - cursor.position);
      cursor.position = upTo;
      this.#pageSize.took(performance.now() - startedAt);
    }
  }

  async #compareEntries(reader: Reader, entries: readonly TracedEntry[]): Promise<NamedDifferences[]> {
    await this.#findKeys(reader, entries);
    const [differentEntries, differentPostings] = await Promise.all([
      differingEntries(reader, entries.map(expectedEntry)),
      differingPostings(
        reader,
        entries.flatMap((entry) => this.#expectedPostings(entry)),
      ),
    ]);
    return [
      { ...differentEntries, noun: 'entry', nameOf: ({ key }) => idOf('jen', key['id'] ?? '') },
      { ...differentPostings, noun: 'posting', nameOf: ({ key }) => this.#postingName(key) },
    ];
  }

  /** Of the accounts that the book has no key of yet. */
  async #findKeys(reader: Reader, entries: readonly TracedEntry[]): Promise<void> {
    const unknown = new Map<string, AccountFromLog>();
    for (const { tenant, postings } of entries) {
      for (const { accountId } of postings) {
        const account = this.#book.at(tenant, accountId);
        if (account.key === undefined) unknown.set(refOf(account), account);
      }
    }
    if (unknown.size === 0) return;
    for (const { tenant, id, key } of await findAccountKeys(reader, [...unknown.values()])) {
      this.#book.know(this.#book.at(tenant, id), key);
    }
  }

  /** None for an account that the tables do not know: it is reported with the accounts. */
  #expectedPostings(entry: TracedEntry): ExpectedRow[] {
    return entry.postings.flatMap((posting) => {
      const { key } = this.#book.at(entry.tenant, posting.accountId);
      if (key === undefined) return [];
      return {
        account_key: key,
        posted_at: posting.postedAt,
        sequence: posting.sequence,
        entry_id: entry.uuid,
        amount: posting.amountMinor,
        posted_after: posting.postedAfterMinor,
      };
    });
  }

  #postingName({ account_key = '0', sequence = '' }: Difference['key']): string {
    const account = this.#book.byKey(BigInt(account_key));
    return `${account === undefined ? account_key : refOf(account)}#${sequence}`;
  }

  #apply({ row, opened, held, entry, subject }: ReadableEvent): void {
    if (entry !== undefined) this.#book.post(entry);
    if (held !== undefined) {
      this.#book.hold(row.tenant, held.accountId, held.amountMinor);
    } else if (entry !== undefined) {
      return;
    } else if (opened !== undefined) {
      this.#book.at(row.tenant, row.subject).opened = { ...opened, at: row.opened_at ?? 0 };
    } else if (row.type === 'account.closed') {
      this.#book.at(row.tenant, row.subject).closed = true;
    } else {
      this.#check.found(unreadableEvent(subject, row.type));
    }
  }

  /** An entry sums to zero in each currency (U14). */
  #judge(entry: TracedEntry): void {
    this.#check.looked(1);
    const sums = new Map<string, bigint>();
    for (const { currency, amountMinor } of entry.postings) {
      sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(amountMinor));
    }
    for (const [currency, sum] of sums) {
      if (sum === 0n) continue;
      const detail = `its postings in ${currency} sum to ${sum}`;
      this.#check.found({ kind: 'unbalanced_entry', subject: entry.id, detail });
    }
  }

  #report({ listed, total, noun, nameOf }: NamedDifferences): void {
    for (const difference of listed)
      this.#check.found(differenceFinding(noun, nameOf(difference), difference));
    this.#check.foundMore(total - listed.length);
  }
}

interface NamedDifferences extends Differences {
  readonly noun: string;
  readonly nameOf: (difference: Difference) => string;
}

/** An event as far as its data can be read; of none of the members if it cannot. */
interface ReadableEvent {
  readonly row: MoneyEvent;
  readonly subject: string;
  readonly entry?: TracedEntry | undefined;
  readonly opened?: OpenedAccount | undefined;
  readonly held?: HeldChange | undefined;
}

function readable({ topic, partition }: Cursor, row: MoneyEvent): ReadableEvent {
  const subject = `${topic}/${partition}/${row.position}`;
  const data = parseData(row.data);
  if (data === undefined) return { row, subject };
  if (topic === 'cards') return { row, subject, ...cardMoneyOf(row, data) };
  switch (row.type) {
    case 'entry.posted':
      return { row, subject, entry: entryOf(row.tenant, data) };
    case 'account.opened':
      return { row, subject, opened: openedAccountOf(data) };
    case 'account.closed':
      return { row, subject };
    default:
      return { row, subject, held: heldChangeOf(row, termsOf(data)) };
  }
}

/** What an event changes of the sum held of an account: a wallet's for a payment, a service's for a refund. */
export interface HeldChange {
  readonly accountId: string;
  /** Zero if it had nothing held, or what it had was captured. */
  readonly amountMinor: number;
}

function heldChangeOf(event: MoneyEvent, terms: Terms | undefined): HeldChange | undefined {
  if (terms === undefined) return undefined;
  const accountId = event.type.startsWith('refund.') ? terms.serviceId : terms.walletId;
  if (event.type.endsWith('.authorized')) return { accountId, amountMinor: terms.amountMinor };
  return { accountId, amountMinor: isRelease(event, terms) ? -terms.amountMinor : 0 };
}

/** Whether the event gave a hold back: its payment may never have had one, or have had it captured or released before. */
function isRelease({ type, causation }: MoneyEvent, { method }: Terms): boolean {
  switch (type) {
    // Without funds there was none; a provider is asked only with them.
    case 'payment.declined':
      return causation.startsWith('providers/');
    // A counter-entry is caused by a posting: the hold was captured by that.
    case 'payment.compensated':
      return causation.startsWith('providers/');
    // From the balance it is given back at once; with a provider when the charge is known not to be made.
    case 'payment.cancelling':
      return method === 'balance';
    case 'payment.cancelled':
      return method === 'gateway';
    default:
      return true;
  }
}

/** By primary key. */
function readMoneyEvents(
  reader: Reader,
  { topic, partition, position }: Cursor,
  upTo: number,
): Promise<MoneyEvent[]> {
  return reader.query<MoneyEvent>(
    `select position, type, subject, tenant, causation, data, case when type = 'account.opened' then occurred_at end as opened_at
     from ${schemaOf(topic)}.events
     where partition = $1 and position > $2 and position <= $3 and type = any ($4)`,
    [partition, position, upTo, TYPES[topic]],
  );
}

export function expectedEntry(entry: TracedEntry): ExpectedRow {
  return {
    id: entry.uuid,
    tenant: entry.tenant,
    cause: entry.causeUuid,
    purpose: entry.purpose,
    posted_at: entry.postings[0]?.postedAt ?? null,
    description: entry.description,
    reference: entry.reference,
    effective_on: entry.effectiveOn,
  };
}

function endOf(ends: readonly LogEnd[], { topic, partition }: Cursor): number {
  return ends.find((end) => end.topic === topic && end.partition === partition)?.position ?? 0;
}

export function refOf({ tenant, id }: { readonly tenant: string; readonly id: string }): string {
  return `${tenant}/${id}`;
}
