/**
 * Seals days that are over. One process at a time does it, the owner of the group's first partition; where two believe
 * that they are, the accounts' locks decide, and nothing is sealed twice.
 *
 * S1: a day is sealed when the group has passed, in every partition of every log that it reads, what stood there an hour
 *     after the day's end. A commit that was under way then carries an instant of a few seconds before it, not of an hour.
 * S2: no day of an account is sealed while a posting of it waits, or while an event that posts to it is a dead letter or was
 *     given up: what is missing may be that day's. Where such an event cannot be read, no day of its tenant is.
 * S3: a turn seals one page, in one commit with what tells of it.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { renderInteger } from '#kernel/exact-integer.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import { endOf } from './business-day.ts';
import type { Day } from './day.ts';
import type { DaySealed } from './events.ts';
import type { AccountState } from './line-up.ts';
import { type AccountName, nameText } from './posting.ts';
import {
  FIRST_PLACE,
  findStopped,
  listUnsealed,
  loadUnsealed,
  type Place,
  readBehind,
  readHeads,
  type Stopped,
  sealDays,
  type UnsealedDay,
} from './seal-store.ts';
import { inOrder, lockAccounts } from './store.ts';
import { WaitingPostings } from './waiting-postings.ts';

/** S1: what is recorded for a day in the hour after it is part of it, and still finds it open. */
export const SEAL_AFTER_MS = 3_600_000;

/** Between looks for what is over: sealing has time. */
const LOOK_MS = 5_000;
/** Between pages of a sweep with something to seal: some ten milliseconds of work each. */
const PAGE_REST_MS = 100;
/** Behind one without: what is over stands first, and of the day that is still going on every account has a row. */
const IDLE_PAGE_REST_MS = 1_000;

export interface DaySealerOptions {
  readonly session: Session;
  readonly log: EventLog;
  readonly clock: Clock;
  /** Told of what stops the days of a whole tenant, as long as it is the same once. */
  readonly onError: (error: unknown) => void;
}

interface Mark {
  readonly at: EpochMs;
  readonly heads: readonly Place[];
}

export class DaySealer {
  readonly #options: DaySealerOptions;
  /** S1: where the logs stood at an instant; whether the group has passed it is looked at each turn. */
  #mark: Mark | undefined;
  /** The instant of the last mark that was passed. */
  #passedAt: EpochMs | undefined;
  #after = FIRST_PLACE;
  readonly #waiting: WaitingPostings;
  #damageTold = '';

  constructor(options: DaySealerOptions) {
    this.#options = options;
    this.#waiting = new WaitingPostings(options);
  }

  /** One page; in how many milliseconds the next is worth looking at. */
  async turn(): Promise<number> {
    if (await this.#waiting.count()) return PAGE_REST_MS;
    if (this.#after === FIRST_PLACE) await this.#markLogs();
    if (this.#passedAt === undefined) return LOOK_MS;
    const page = await listUnsealed(this.#options.session, { after: this.#after, upTo: this.#passedAt });
    const isDue = await this.#seal(page.days, this.#passedAt);
    this.#after = page.next;
    if (page.next === FIRST_PLACE) return LOOK_MS;
    return isDue ? PAGE_REST_MS : IDLE_PAGE_REST_MS;
  }

  /** S1: the clock is read before the heads. */
  async #markLogs(): Promise<void> {
    const { session, clock } = this.#options;
    if (this.#mark === undefined) {
      const at = clock.now();
      this.#mark = { at, heads: await readHeads(session) };
    }
    if (await readBehind(session, this.#mark.heads)) return;
    this.#passedAt = this.#mark.at;
    this.#mark = undefined;
  }

  /** Whether any of them is over. */
  async #seal(days: readonly UnsealedDay[], passedAt: EpochMs): Promise<boolean> {
    const due = days.filter(({ day, timeZone }) => endOf(day, timeZone) + SEAL_AFTER_MS <= passedAt);
    if (due.length === 0) return false;
    const { session, log, clock } = this.#options;
    const stopped = await findStopped(session);
    this.#tell(stopped);
    const names = inOrder([...new Map(due.map((each) => [nameText(each), each])).values()]);
    const appended = await session.transaction(async (tx) => {
      const now = clock.now();
      const drafts = await sealUnderLock(tx, { names, due, stopped, now });
      const { partitions } = log;
      return sendDrafts(tx, { topic: 'consolidation', partitions, occurredAt: now, drafts }) ?? [];
    });
    if (appended.length > 0) log.publish(appended);
    return true;
  }

  #tell({ damaged }: Stopped): void {
    const damage = damaged.map(({ message }) => message).join();
    if (damage !== this.#damageTold) for (const gap of damaged) this.#options.onError(gap);
    this.#damageTold = damage;
  }
}

async function sealUnderLock(
  tx: Transaction,
  {
    names,
    due,
    stopped,
    now,
  }: {
    readonly names: readonly AccountName[];
    readonly due: readonly UnsealedDay[];
    readonly stopped: Stopped;
    readonly now: EpochMs;
  },
): Promise<EventDraft<DaySealed>[]> {
  const accounts = (await lockAccounts(tx, names, [])).filter((account) => isWhole(account, stopped));
  const byKey = new Map(accounts.map((account) => [account.key, account]));
  const days = await loadUnsealed(
    tx,
    due.filter(({ key }) => byKey.has(key)),
  );
  if (days.length > 0) await sealDays(tx, days, now);
  return days.flatMap((day) => {
    const account = byKey.get(day.key);
    return account === undefined ? [] : [sealing(account, day)];
  });
}

/** S2 */
function isWhole(account: AccountState, { names, tenants }: Stopped): boolean {
  return account.waiting.length === 0 && !names.has(nameText(account)) && !tenants.has(account.tenant);
}

function sealing({ tenant, id, facts }: AccountState, day: Day): EventDraft<DaySealed> {
  return {
    type: 'day.sealed',
    version: 1,
    subject: id,
    tenant,
    key: id,
    data: {
      account_id: id,
      date: day.day,
      version: day.version,
      currency: facts?.currency ?? '',
      opening: renderInteger(day.openingMinor),
      credits: renderInteger(day.creditsMinor),
      debits: renderInteger(day.debitsMinor),
      count: Number(day.count),
      closing: renderInteger(day.closingMinor),
      hash: day.hash,
    },
    correlationId: day.cause,
    causation: day.cause,
    traceparent: null,
  };
}
