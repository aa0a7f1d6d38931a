/** Proves every account: what the logs add up to, what its postings add up to, and what its rows say are one. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  type AuditedAccount,
  findAccountKeys,
  listAuditedAccounts,
  measureBalances,
  postingsAfter,
  sumBalances,
  walkPostings,
} from '#services/ledger/contract.ts';
import { AccountBook, type AccountFromLog } from './account-book.ts';
import { AccountFollower, readLogEnds, refOf } from './follow-accounts.ts';
import { instantText } from './instant-text.ts';
import { eachInLanes, type Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import type { Check, Checks } from './report.ts';

const POSTINGS_PAGE = { first: 20_000, least: 1_000, most: 200_000 };
const ACCOUNTS_PAGE = 10_000;
/** So many ranges of account keys share the lanes. */
const POSTING_RANGES = 16n;
/** Followed inside a snapshot, and so within its few seconds. */
const FOLLOWED_IN_SNAPSHOT = 20_000;
/** Before and after every account's key. */
const BEFORE_ALL = -(2n ** 63n);
const AFTER_ALL = 2n ** 63n - 1n;

/** The postings table by itself: sequences and running sums, by ranges of accounts. */
export async function verifyPostings(
  lanes: readonly Lane[],
  { check, phase }: { readonly check: Check; readonly phase: Phase },
): Promise<void> {
  const bounds = await measureBalances(lanes[0] as Lane);
  const pageSize = new PageSize(POSTINGS_PAGE, (lanes[0] as Lane).pace.pageMs);
  await eachInLanes(lanes, keyRanges(bounds), async (lane, { after, upTo }) => {
    for (let cursor = postingsAfter(after); ; ) {
      const startedAt = performance.now();
      const walked = await walkPostings(lane, cursor, { lastKey: upTo, limit: pageSize.rows });
      check.looked(walked.count);
      for (const { kind, account, sequence, entryUuid, detail } of walked.breaches) {
        check.found({ kind, subject: `${account}#${sequence}`, detail: `${detail} (entry ${entryUuid})` });
      }
      check.foundMore(walked.breachesTotal - walked.breaches.length);
      phase.advance(walked.count);
      pageSize.took(performance.now() - startedAt);
      if (walked.next === undefined) return;
      cursor = walked.next;
    }
  });
}

interface KeyRange {
  readonly after: bigint;
  readonly upTo: bigint;
}

/** All keys there can be, those in use in pieces. */
function keyRanges(bounds: { readonly firstKey: bigint; readonly lastKey: bigint } | undefined): KeyRange[] {
  if (bounds === undefined) return [{ after: BEFORE_ALL, upTo: AFTER_ALL }];
  const { firstKey, lastKey } = bounds;
  const width = (lastKey - firstKey) / POSTING_RANGES + 1n;
  const edges = [BEFORE_ALL];
  for (let edge = firstKey - 1n; edge < lastKey; edge += width) edges.push(edge);
  edges.push(lastKey, AFTER_ALL);
  return edges.slice(1).map((upTo, index) => ({ after: edges[index] ?? BEFORE_ALL, upTo }));
}

export interface AccountsProof {
  readonly checks: Checks;
  readonly phase: Phase;
  readonly partitions: number;
}

/** Adds up the logs, comparing every entry on the way, and then compares every account with what they add up to. */
export async function verifyAccounts(
  lanes: readonly Lane[],
  { checks, phase, partitions }: AccountsProof,
): Promise<void> {
  const book = new AccountBook();
  const follower = new AccountFollower({
    book,
    partitions,
    entries: checks.entries,
    phase,
    pageMs: (lanes[0] as Lane).pace.pageMs,
  });
  await followToEnds(lanes, follower);
  const comparison = new AccountComparison({ lanes, book, follower, check: checks.accounts });
  await comparison.run();
  await verifyCurrencies(lanes[0] as Lane, checks.currencies);
}

/** Until so little is left that a snapshot can follow it. */
async function followToEnds(lanes: readonly Lane[], follower: AccountFollower): Promise<void> {
  for (;;) {
    const ends = await readLogEnds(lanes[0] as Lane);
    if (follower.behind(ends) < FOLLOWED_IN_SNAPSHOT) return;
    await eachInLanes(lanes, follower.cursors, (lane, cursor) => follower.follow(lane, cursor, ends));
  }
}

class AccountComparison {
  readonly #lanes: readonly Lane[];
  readonly #lane: Lane;
  readonly #book: AccountBook;
  readonly #follower: AccountFollower;
  readonly #check: Check;

  constructor(options: {
    lanes: readonly Lane[];
    book: AccountBook;
    follower: AccountFollower;
    check: Check;
  }) {
    this.#lanes = options.lanes;
    this.#lane = options.lanes[0] as Lane;
    this.#book = options.book;
    this.#follower = options.follower;
    this.#check = options.check;
  }

  async run(): Promise<void> {
    for (let after = BEFORE_ALL; ; ) {
      const page = await this.#readPage(after);
      for (const audited of page) this.#compare(audited);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.key;
    }
    await this.#reportMissing();
  }

  /** The next accounts, and the book as it was when they were so (A2). */
  async #readPage(after: bigint): Promise<AuditedAccount[]> {
    for (;;) {
      await followToEnds(this.#lanes, this.#follower);
      const page = await this.#lane.snapshot((reader) => this.#readInStep(reader, after));
      if (page !== 'behind') return page;
    }
  }

  async #readInStep(reader: Reader, after: bigint): Promise<AuditedAccount[] | 'behind'> {
    const ends = await readLogEnds(reader);
    if (this.#follower.behind(ends) > 2 * FOLLOWED_IN_SNAPSHOT) return 'behind';
    for (const cursor of this.#follower.cursors) await this.#follower.follow(reader, cursor, ends);
    return listAuditedAccounts(reader, after, ACCOUNTS_PAGE);
  }

  #compare({ key, account, balance, lastPosting }: AuditedAccount): void {
    this.#check.looked(1);
    if (account === null) {
      this.#found('balance_without_account', `key ${key}`, 'no account has this key');
      return;
    }
    const subject = refOf(account);
    const told = this.#book.find(account.tenant, account.id);
    if (told !== undefined) told.seen = true;
    if (told?.opened === undefined) this.#found('extra_account', subject, 'no event opened it');
    else this.#compareValues('account', subject, accountValues(account, told.opened));
    if (balance === null) {
      this.#found('missing_balance', subject, 'the account has no balance');
      return;
    }
    this.#compareValues('balance', subject, balanceValues(balance, told));
    const rests = lastPosting ?? { sequence: 0n, postedAfterMinor: 0n, postedAt: account.openedAt };
    this.#compareValues('last_posting', subject, {
      posted: [balance.postedMinor, rests.postedAfterMinor],
      sequence: [balance.sequence, rests.sequence],
      last_posted_at: [instantText(balance.lastPostedAt), instantText(rests.postedAt)],
    });
    const available = balance.postedMinor - balance.heldMinor;
    if (account.floorMinor !== null && available < account.floorMinor) {
      this.#found('below_floor', subject, `available is ${available}, the floor ${account.floorMinor}`);
    }
    if (told !== undefined && told.postings !== told.lastSequence) {
      const detail = `the log tells of ${told.postings} postings, the last of which is number ${told.lastSequence}`;
      this.#found('missing_posting_event', subject, detail);
    }
  }

  /** `what` as the tables have it, against what it should be. */
  #compareValues(what: string, subject: string, values: Values): void {
    const wrong = Object.entries(values).filter(([, [actual, expected]]) => actual !== expected);
    if (wrong.length === 0) return;
    const detail = wrong
      .map(([name, [actual, expected]]) => `${name} is ${actual}, not ${expected}`)
      .join('; ');
    this.#found(`different_${what}`, subject, detail);
  }

  /** Accounts of the log that no page had. One whose key was given before and whose commit came after is looked up. */
  async #reportMissing(): Promise<void> {
    const unseen = [...this.#book.all()].filter((account) => !account.seen);
    for (let at = 0; at < unseen.length; at += ACCOUNTS_PAGE) {
      const page = unseen.slice(at, at + ACCOUNTS_PAGE);
      const found = new Set((await findAccountKeys(this.#lane, page)).map(refOf));
      for (const account of page) {
        if (!found.has(refOf(account))) this.#found('missing_account', refOf(account), 'the log tells of it');
      }
    }
  }

  #found(kind: string, subject: string, detail: string): void {
    this.#check.found({ kind, subject, detail });
  }
}

type Value = string | bigint | number | null;
type Values = Record<string, readonly [actual: Value, expected: Value]>;

function accountValues(
  account: NonNullable<AuditedAccount['account']>,
  opened: NonNullable<AccountFromLog['opened']>,
): Values {
  return {
    kind: [account.kind, opened.kind],
    currency: [account.currency, opened.currency],
    floor: [account.floorMinor, opened.floorMinor === null ? null : BigInt(opened.floorMinor)],
    name: [account.name, opened.name],
    time_zone: [account.timeZone, opened.timeZone],
    metadata: [account.metadata, opened.metadata],
    opened_at: [instantText(account.openedAt), instantText(opened.at)],
  };
}

function balanceValues(
  balance: NonNullable<AuditedAccount['balance']>,
  told: AccountFromLog | undefined,
): Values {
  return {
    status: [balance.status, told?.closed === true ? 'closed' : 'open'],
    posted: [balance.postedMinor, told?.postedMinor ?? 0n],
    held: [balance.heldMinor, told?.heldMinor ?? 0n],
    sequence: [balance.sequence, BigInt(told?.postings ?? 0)],
  };
}

/** What leaves an account enters another: every currency sums to zero over all accounts (U14). */
async function verifyCurrencies(reader: Reader, check: Check): Promise<void> {
  for (const { currency, posted } of await sumBalances(reader)) {
    check.looked(1);
    if (posted === '0') continue;
    check.found({ kind: 'currency_not_zero', subject: currency, detail: `all balances sum to ${posted}` });
  }
}
