/**
 * Proves the cash flow: what its log tells of entries stands in the table and, as a journal entry of the same terms, in the
 * ledger's log; and the other way round, each row and each journal entry of a cash entry has its event. What journal entries
 * move is proved with those of all accounts. And an import that is not finished goes on.
 *
 * A row and its events are of one commit, so each page is one snapshot.
 */
import { type Id, idOf, isId, uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  type CashEntryRef,
  differingCashEntries,
  findKnownCashEntries,
  listCashEntryRefs,
  listStalledImports,
} from '#services/cashflow/contract.ts';
import { listCashJournalEntries } from '#services/ledger/contract.ts';
import { entryOf, parseData, type TracedEntry, textOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { type LogRow, readAbout, readNext } from './log-rows.ts';
import {
  extraOf,
  type Findings,
  found,
  joined,
  type Page,
  pages,
  pagesOfLog,
  reportTo,
} from './paged-findings.ts';
import type { Phase } from './progress.ts';
import { type Check, type Finding, unreadableEvent } from './report.ts';

/** Events or rows of one snapshot. */
const PAGE = 1_000;
/** Journal entries passed at a time, of which a cash entry's are looked at. */
const WALK = 20_000;
/** What is listed of imports that stand still. */
const STALLED_MAX = 100;

interface CashProof {
  readonly check: Check;
  readonly phase: Phase;
  readonly partitions: number;
}

export async function verifyCashEntries(lane: Lane, { check, phase, partitions }: CashProof): Promise<void> {
  for await (const page of pagesOfLog(lane, partitions, compareEvents)) {
    phase.advance(page.passed);
    reportTo(check, page.findings);
  }
  for await (const page of pages(lane, findUntoldRows)) reportTo(check, page.findings);
  for await (const page of pages(lane, findUntoldEntries)) reportTo(check, page.findings);
  for (const { tenant, uuid } of await listStalledImports(lane, STALLED_MAX)) {
    const detail = 'it is not finished, and its turn never comes, or far too late';
    check.found({ kind: 'stalled_import', subject: idOf('imp', uuid), tenant, detail });
  }
}

/** A cash entry as its event tells it, read with distrust. */
interface ToldEntry {
  readonly tenant: string;
  readonly uuid: string;
  readonly data: JsonObject;
  readonly row: ExpectedRow;
}

async function compareEvents(
  reader: Reader,
  { partition, after }: { readonly partition: number; readonly after: bigint },
): Promise<Page<bigint>> {
  const rows = await readNext(reader, 'cashflow', { partition, after, limit: PAGE });
  const told = rows.flatMap((row) => toldBy(row) ?? []);
  const unreadable = rows
    .filter((row) => toldBy(row) === undefined)
    .map(({ position, type }) => unreadableEvent(`cashflow/${partition}/${position}`, type));
  const expected = told.map(({ row }) => row);
  const differences = await differingCashEntries(reader, expected);
  return {
    findings: joined([
      { looked: 0, listed: unreadable, unlisted: 0 },
      found('cash_entry', expected, differences, ({ id = '' }) => idOf('cen', id)),
      await compareJournal(reader, told),
    ]),
    passed: rows.length,
    next: placeBehind(rows, PAGE)?.position,
  };
}

function toldBy({ type, subject, tenant, data, occurred_at }: LogRow): ToldEntry | undefined {
  const parsed = parseData(data);
  if (parsed === undefined || !isId('cen', subject)) return undefined;
  const { reversal_id: reversalId, import: source } = parsed;
  const isReversal = type === 'cash_entry.reversed';
  if (isReversal && !(typeof reversalId === 'string' && isId('cen', reversalId))) return undefined;
  const uuid = uuidOf(isReversal ? (reversalId as Id<'cen'>) : subject);
  const row: ExpectedRow = {
    tenant,
    id: uuid,
    account_id: textOf(parsed['account_id']),
    contra_account_id: textOf(parsed['contra_account_id']),
    direction: textOf(parsed['direction']),
    amount: Number.isSafeInteger(parsed['amount']) ? (parsed['amount'] as number) : null,
    currency: textOf(parsed['currency']),
    occurred_on: textOf(parsed['occurred_on']),
    description: textOf(parsed['description']),
    category: textOf(parsed['category']),
    reverses: isReversal ? uuidOf(subject) : null,
    ...sourceOf(source as JsonObject | undefined),
    recorded_at: occurred_at,
  };
  return { tenant, uuid, data: parsed, row };
}

function sourceOf(source: JsonObject | undefined): { import_id: string | null; line: number | null } {
  const importId = textOf(source?.['import_id']);
  const line = source?.['line'];
  return {
    import_id: importId !== null && isId('imp', importId) ? uuidOf(importId) : null,
    line: typeof line === 'number' ? line : null,
  };
}

/** Each cash entry has a journal entry in the ledger's log that says the same. */
async function compareJournal(reader: Reader, told: readonly ToldEntry[]): Promise<Findings> {
  const entries = await readJournal(reader, told);
  const listed = told.flatMap(({ tenant, uuid, data }): Finding[] => {
    const entry = entries.get(`${tenant}/${uuid}`);
    const subject = idOf('cen', uuid);
    if (entry === undefined)
      return [
        { kind: 'missing_journal_entry', subject, detail: 'the ledger\u2019s log has no entry for it' },
      ];
    const difference = differenceFrom(data, entry);
    return difference === undefined ? [] : [{ kind: 'different_journal_entry', subject, detail: difference }];
  });
  return { looked: 0, listed, unlisted: 0 };
}

async function readJournal(
  reader: Reader,
  told: readonly ToldEntry[],
): Promise<ReadonlyMap<string, TracedEntry>> {
  const rows = await readAbout(
    reader,
    'ledger',
    told.map(({ uuid }) => idOf('cen', uuid)),
  );
  const entries = rows.flatMap(({ type, tenant, data }) => {
    const parsed = type === 'entry.posted' ? parseData(data) : undefined;
    return (parsed && entryOf(tenant, parsed)) ?? [];
  });
  return new Map(entries.map((entry) => [`${entry.tenant}/${entry.causeUuid}`, entry]));
}

function differenceFrom(data: JsonObject, entry: TracedEntry): string | undefined {
  const [book, contra, ...more] = entry.postings;
  const amount = Number(data['amount']) * (data['direction'] === 'credit' ? 1 : -1);
  const values = {
    entry_id: [entry.id, data['entry_id']],
    purpose: [entry.purpose, 'cash_entry'],
    description: [entry.description, data['description']],
    effective_on: [entry.effectiveOn, data['occurred_on']],
    account: [book?.accountId, data['account_id']],
    contra_account: [contra?.accountId, data['contra_account_id']],
    currency: [book?.currency, data['currency']],
    amount: [book?.amountMinor, amount],
    contra_amount: [contra?.amountMinor, -amount],
    postings: [more.length + 2, 2],
  };
  const wrong = Object.entries(values).filter(([, [actual, expected]]) => actual !== expected);
  if (wrong.length === 0) return undefined;
  return wrong
    .map(
      ([name, [actual, expected]]) => `${name} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`,
    )
    .join('; ');
}

/** From the table to the log. */
async function findUntoldRows(reader: Reader, after: CashEntryRef | undefined): Promise<Page<CashEntryRef>> {
  const rows = await listCashEntryRefs(reader, after, PAGE);
  const told = await readTold(
    reader,
    rows.map(({ uuid, reverses }) => reverses ?? uuid),
  );
  const extra = rows.filter(({ tenant, uuid }) => !told.has(`${tenant}/${uuid}`));
  return {
    findings: extraOf(
      'cash_entry',
      extra.map(({ uuid }) => idOf('cen', uuid)),
    ),
    passed: rows.length,
    next: placeBehind(rows, PAGE),
  };
}

/** From the journal to the table, whose rows are looked up in the log. A journal entry bears the uuid of its cash entry. */
async function findUntoldEntries(reader: Reader, after: string | undefined): Promise<Page<string>> {
  const { rows, last } = await listCashJournalEntries(reader, after ?? null, WALK);
  const known = await findKnownCashEntries(
    reader,
    rows.map(({ cause }) => refIn(cause)),
  );
  const extra = rows.filter(({ uuid, cause }) => !(known.has(cause) && cause.endsWith(`/${uuid}`)));
  return {
    findings: extraOf(
      'entry',
      extra.map(({ uuid }) => idOf('jen', uuid)),
    ),
    passed: rows.length,
    next: last,
  };
}

/** Tenants have no slash. */
function refIn(cause: string): { readonly tenant: string; readonly uuid: string } {
  const [tenant = '', uuid = ''] = cause.split('/');
  return { tenant, uuid };
}

/** Which entries events about these tell of, and about the entries that these give back; as `tenant/uuid`. */
async function readTold(reader: Reader, uuids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await readAbout(
    reader,
    'cashflow',
    uuids.map((uuid) => idOf('cen', uuid)),
  );
  return new Set(rows.flatMap((row) => toldBy(row) ?? []).map(({ tenant, uuid }) => `${tenant}/${uuid}`));
}
