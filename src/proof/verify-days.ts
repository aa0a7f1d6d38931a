/**
 * Proves daily balances: of every account the postings that are counted are added up day by day, and each figure, the hash and
 * the seal are compared with what is stored.
 *
 * VD1: what is stored of an account is of one snapshot. Its postings are read after it, up to the last one that is counted
 *      there: they never change.
 * VD2: a posting that is not counted is a finding where the group has passed all that there is, and no sooner.
 */
import { hash } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  type AuditedDays,
  type Day,
  isAllCounted,
  listAuditedDays,
  listDayAccounts,
  listStrayDays,
} from '#services/consolidation/contract.ts';
import {
  type AuditedAccount,
  type DatedPosting,
  datedAfter,
  findAccountKeys,
  listAuditedAccounts,
  listDatedPostings,
} from '#services/ledger/contract.ts';
import { parseData, textOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

const ACCOUNTS_PAGE = { first: 200, least: 1, most: 2_000 };
const POSTINGS_PAGE = { first: 10_000, least: 500, most: 50_000 };
const STRAY_MAX = 100;
/** Before every account's key. */
const BEFORE_ALL = -(2n ** 63n);

interface DaysProof {
  readonly check: Check;
  readonly phase: Phase;
}

export async function verifyDays(lane: Lane, proof: DaysProof): Promise<void> {
  const pageSize = new PageSize(ACCOUNTS_PAGE, lane.pace.pageMs);
  for (let after = BEFORE_ALL; ; ) {
    const startedAt = performance.now();
    const from = after;
    const page = await lane.snapshot((reader) => readPage(reader, from, pageSize.rows)); // VD1
    pageSize.took(performance.now() - startedAt);
    const last = page.accounts.at(-1);
    if (last === undefined) break;
    await comparePage(lane, { after, last: last.key, page, proof });
    after = last.key;
  }
  await findStrays(lane, proof);
}

interface Page {
  readonly accounts: readonly AuditedAccount[];
  readonly kept: ReadonlyMap<string, AuditedDays>;
  readonly told: ReadonlyMap<string, Told>;
  readonly isAllCounted: boolean;
}

async function readPage(reader: Reader, after: bigint, limit: number): Promise<Page> {
  const accounts = await listAuditedAccounts(reader, after, limit);
  const names = accounts.flatMap(({ account }) => account ?? []);
  return {
    accounts,
    kept: await listAuditedDays(reader, names),
    told: await readTold(reader, names),
    isAllCounted: await isAllCounted(reader),
  };
}

/** What the log told last of a day's seal. */
interface Told {
  readonly isSealed: boolean;
  readonly hash: string | null;
  readonly at: EpochMs;
}

/** By `tenant/id/date`. By the log's index on subjects; all of an account are in one partition. */
async function readTold(
  reader: Reader,
  names: readonly { readonly tenant: string; readonly id: string }[],
): Promise<ReadonlyMap<string, Told>> {
  const rows = await reader.query<{
    tenant: string;
    subject: string;
    type: string;
    data: string;
    at: EpochMs;
  }>(
    `select e.tenant, e.subject, e.type, e.data, e.occurred_at as at
     from unnest($1::text[], $2::text[]) as wanted(tenant, id)
     cross join lateral (
       select * from consolidation.events e where e.subject = wanted.id and e.tenant = wanted.tenant offset 0
     ) e
     order by e.partition, e.position`,
    [names.map(({ tenant }) => tenant), names.map(({ id }) => id)],
  );
  return new Map(
    rows.map(({ tenant, subject, type, data, at }) => {
      const told = parseData(data) ?? {};
      const isSealed = type === 'day.sealed';
      return [`${tenant}/${subject}/${textOf(told['date'])}`, { isSealed, hash: textOf(told['hash']), at }];
    }),
  );
}

async function comparePage(
  lane: Lane,
  {
    after,
    last,
    page,
    proof,
  }: { readonly after: bigint; readonly last: bigint; readonly page: Page; readonly proof: DaysProof },
): Promise<void> {
  const sums = new Map<bigint, DaySums>();
  const countedOf = new Map(page.accounts.map((each) => [each.key, keptOf(page, each)?.sequence ?? 0n]));
  await eachPosting(lane, { after, last, phase: proof.phase }, (posting) => {
    if (posting.sequence > (countedOf.get(posting.accountKey) ?? 0n)) return;
    let sum = sums.get(posting.accountKey);
    if (sum === undefined) sums.set(posting.accountKey, (sum = new DaySums()));
    sum.add(posting);
  });
  for (const each of page.accounts) compareAccount(each, { page, sums: sums.get(each.key), proof });
}

function keptOf({ kept }: Page, { account }: AuditedAccount): AuditedDays | undefined {
  return account === null ? undefined : kept.get(`${account.tenant}/${account.id}`);
}

async function eachPosting(
  lane: Lane,
  {
    after,
    last,
    phase,
  }: {
    readonly after: bigint;
    readonly last: bigint;
    readonly phase: Phase;
  },
  add: (posting: DatedPosting) => void,
): Promise<void> {
  const pageSize = new PageSize(POSTINGS_PAGE, lane.pace.pageMs);
  for (let cursor = datedAfter(after); ; ) {
    const startedAt = performance.now();
    const walked = await listDatedPostings(lane, cursor, { lastKey: last, limit: pageSize.rows });
    pageSize.took(performance.now() - startedAt);
    for (const posting of walked.postings) add(posting);
    phase.advance(walked.postings.length);
    if (walked.next === undefined) return;
    cursor = walked.next;
  }
}

interface DaySum {
  creditsMinor: bigint;
  debitsMinor: bigint;
  count: bigint;
  hash: string;
}

/** An account's postings in its own order, by day. */
class DaySums {
  readonly #days = new Map<string, DaySum>();
  lastSequence = 0n;

  add({ day, amountMinor, sequence, entryUuid, postedAfterMinor }: DatedPosting): void {
    let sum = this.#days.get(day);
    if (sum === undefined)
      this.#days.set(day, (sum = { creditsMinor: 0n, debitsMinor: 0n, count: 0n, hash: '' }));
    if (amountMinor > 0n) sum.creditsMinor += amountMinor;
    else sum.debitsMinor -= amountMinor;
    sum.count++;
    sum.hash = hash('sha256', `${sum.hash} ${sequence} ${entryUuid} ${amountMinor} ${postedAfterMinor}`);
    this.lastSequence = sequence;
  }

  /** Ascending, each with what was there before it. */
  days(): (DaySum & {
    readonly day: string;
    readonly openingMinor: bigint;
    readonly closingMinor: bigint;
  })[] {
    let openingMinor = 0n;
    return [...this.#days]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([day, sum]) => {
        const before = openingMinor;
        openingMinor += sum.creditsMinor - sum.debitsMinor;
        return { ...sum, day, openingMinor: before, closingMinor: openingMinor };
      });
  }
}

const FIGURES = ['openingMinor', 'creditsMinor', 'debitsMinor', 'count', 'closingMinor', 'hash'] as const;

interface Compared {
  readonly page: Page;
  readonly sums: DaySums | undefined;
  readonly proof: DaysProof;
}

function compareAccount(audited: AuditedAccount, { page, sums = new DaySums(), proof }: Compared): void {
  const { account, balance } = audited;
  if (account === null) return;
  const kept = keptOf(page, audited);
  const { tenant, id } = account;
  const { check } = proof;
  const found = (kind: string, day: string | null, detail: string): void =>
    check.found({
      kind,
      tenant,
      detail,
      subject: day === null ? `${tenant}/${id}` : `${tenant}/${id}/${day}`,
    });
  compareDays({ expected: sums.days(), kept: kept?.days ?? [], check, found });
  for (const day of kept?.days ?? [])
    compareSeal(day, {
      told: page.told.get(`${tenant}/${id}/${day.day}`),
      isAllCounted: page.isAllCounted,
      found,
    });
  const sequence = kept?.sequence ?? 0n;
  const posted = balance?.sequence ?? 0n;
  if (kept !== undefined) compareStanding(kept, { sums, account, posted, found });
  if (page.isAllCounted && sequence < posted)
    found('uncounted_posting', null, `${posted - sequence} postings after ${sequence} are in no day`); // VD2
}

type Found = (kind: string, day: string | null, detail: string) => void;

function compareDays({
  expected,
  kept,
  check,
  found,
}: {
  readonly expected: ReturnType<DaySums['days']>;
  readonly kept: readonly Day[];
  readonly check: Check;
  readonly found: Found;
}): void {
  check.looked(expected.length);
  const keptByDay = new Map(kept.map((day) => [day.day, day]));
  for (const day of expected) {
    const row = keptByDay.get(day.day);
    keptByDay.delete(day.day);
    if (row === undefined) {
      found('missing_day', day.day, `${day.count} postings count for it, and it is not there`);
      continue;
    }
    const wrong = FIGURES.filter((figure) => row[figure] !== day[figure]);
    const details = wrong.map((figure) => `${figure} is ${row[figure]}, the postings say ${day[figure]}`);
    if (details.length > 0) found('different_day', day.day, details.join('; '));
  }
  for (const day of keptByDay.keys()) found('extra_day', day, 'no posting counts for it');
}

function compareSeal(
  { day, hash: kept, sealedAt }: Day,
  {
    told,
    isAllCounted: isSettled,
    found,
  }: { readonly told: Told | undefined; readonly isAllCounted: boolean; readonly found: Found },
): void {
  if (sealedAt !== null && (told?.isSealed !== true || told.hash !== kept))
    found('different_seal', day, 'it is sealed, and the log does not say so of this hash');
  else if (sealedAt !== null && told?.at !== sealedAt)
    found('different_seal', day, 'it was not sealed when the log says so');
  if (sealedAt === null && told?.isSealed === true && isSettled)
    found('different_seal', day, 'the log says that it is sealed, and it is not');
}

/** What is counted, and what waits to be. */
function compareStanding(
  kept: AuditedDays,
  {
    sums,
    account,
    posted,
    found,
  }: {
    readonly sums: DaySums;
    readonly account: NonNullable<AuditedAccount['account']>;
    /** Sequence of its last posting. */
    readonly posted: bigint;
    readonly found: Found;
  },
): void {
  const { sequence, lastDay, waiting, timeZone, openedAt } = kept;
  if (sequence !== sums.lastSequence)
    found('different_standing', null, `${sequence} postings are counted, there are ${sums.lastSequence}`);
  const last = sums.days().at(-1)?.day ?? null;
  if (lastDay !== last)
    found('different_standing', null, `its last day is ${lastDay}, the postings say ${last}`);
  if (openedAt !== null && openedAt !== account.openedAt)
    found('different_standing', null, 'it was not opened when it says');
  if (timeZone !== null && FACTS.some((fact) => kept[fact] !== account[fact]))
    found('different_standing', null, 'its kind, currency or time zone is not that of the account');
  if (waiting !== null && waiting.first <= sequence)
    found('stuck_posting', null, `posting ${waiting.first} waits, and ${sequence} are counted`);
  if (waiting !== null && waiting.last > posted)
    found('stuck_posting', null, `posting ${waiting.last} waits, and the account has ${posted}`);
}

const FACTS = ['kind', 'currency', 'timeZone'] as const;

/** Days of accounts that the ledger does not have. */
async function findStrays(lane: Lane, { check }: DaysProof): Promise<void> {
  for (let after = BEFORE_ALL; ; ) {
    const page = await listDayAccounts(lane, after, ACCOUNTS_PAGE.most);
    const known = new Set((await findAccountKeys(lane, page)).map(({ tenant, id }) => `${tenant}/${id}`));
    for (const { tenant, id } of page)
      if (!known.has(`${tenant}/${id}`))
        check.found({
          kind: 'extra_day',
          tenant,
          subject: `${tenant}/${id}`,
          detail: 'the ledger has no such account',
        });
    const upTo = page.length < ACCOUNTS_PAGE.most ? null : (page.at(-1)?.key ?? null);
    for (const { key, day } of await listStrayDays(lane, { after, upTo, limit: STRAY_MAX }))
      check.found({
        kind: 'extra_day',
        subject: `days/${key}/${day}`,
        detail: 'there is no account with its key',
      });
    if (upTo === null) return;
    after = upTo;
  }
}
