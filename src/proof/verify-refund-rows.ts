/**
 * The other way round: each row of a refund has its event, and totals that promise or have given back something are of
 * payments with refunds. What the logs tell of is compared with the rows page by page, and payment by payment. Rows and
 * their events, refunds and their totals, are changed in the same commits: each page is of one instant.
 */
import { idOf } from '#kernel/ids.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  type ListedRefundTotals,
  listRefundIds,
  listRefundTotals,
  type RowRef,
  sumRefunds,
} from '#services/payments/contract.ts';
import { termsOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { pages } from './paged-findings.ts';
import type { Phase } from './progress.ts';
import { type Check, differenceFinding } from './report.ts';
import { readTimelinesOf } from './saga-timelines.ts';
import { verifyUndoRequests } from './verify-undo-requests.ts';

const PAGE = 2_000;

/** Rows as listed, and those of them that nothing stands behind. */
interface Listed<Row extends RowRef> {
  readonly rows: readonly Row[];
  readonly forged: readonly RowRef[];
  readonly next: RowRef | undefined;
}

export async function verifyRefundRows(
  lane: Lane,
  { check, phase }: { readonly check: Check; readonly phase: Phase },
): Promise<void> {
  const extra = (noun: string, subject: string, tenant: string): void =>
    check.found({ ...differenceFinding(noun, subject, { key: {}, kind: 'extra', detail: '' }), tenant });
  for await (const { rows, forged } of pages(lane, readRefunds)) {
    phase.advance(rows.length);
    for (const { uuid, tenant } of forged) extra('refund', idOf('ref', uuid), tenant);
  }
  for await (const { rows, forged, different } of pages(lane, readTotals)) {
    phase.advance(rows.length);
    for (const { uuid, tenant, detail } of different)
      check.found({ kind: 'different_refund_totals', subject: idOf('pay', uuid), tenant, detail });
    for (const { uuid, tenant } of forged) extra('refund_totals', idOf('pay', uuid), tenant);
    await verifyUndoRequests(
      lane,
      rows.filter(({ isToBeUndone }) => isToBeUndone),
      check,
    );
  }
}

async function readRefunds(reader: Reader, after: RowRef | undefined): Promise<Listed<RowRef>> {
  const rows = await listRefundIds(reader, after, PAGE);
  const subjects = rows.map(({ uuid }) => idOf('ref', uuid));
  const timelines = await readTimelinesOf(reader, subjects, ['payments']);
  const told = new Set(
    timelines.flatMap(({ uuid, events }) =>
      events.filter(({ type }) => type === 'refund.requested').map(({ tenant }) => refOf({ tenant, uuid })),
    ),
  );
  const forged = rows.filter((row) => !told.has(refOf(row)));
  return { rows, forged, next: placeBehind(rows, PAGE) };
}

interface TotalsListed extends Listed<ListedRefundTotals> {
  readonly different: readonly (RowRef & { readonly detail: string })[];
}

/** Those of payments with refunds are compared with them elsewhere (`refund-book.ts`). */
async function readTotals(reader: Reader, after: RowRef | undefined): Promise<TotalsListed> {
  const rows = await listRefundTotals(reader, after, PAGE);
  const summed = new Set((await sumRefunds(reader, rows)).map(refOf));
  const alone = rows.filter((row) => !summed.has(refOf(row)));
  const asked = await amountsAsked(reader, alone);
  const isForged = (row: ListedRefundTotals): boolean =>
    row.promisedMinor !== 0n || row.refundedMinor !== 0n || !asked.has(refOf(row));
  const different = alone.flatMap((row) => {
    const amountMinor = asked.get(refOf(row));
    if (isForged(row) || row.capturedMinor === amountMinor) return [];
    return [{ ...row, detail: `captured is ${row.capturedMinor}, not ${amountMinor}` }];
  });
  return { rows, forged: alone.filter(isForged), different, next: placeBehind(rows, PAGE) };
}

/** Of the payments that the logs tell of, by tenant and uuid. */
async function amountsAsked(
  reader: Reader,
  payments: readonly RowRef[],
): Promise<ReadonlyMap<string, bigint>> {
  if (payments.length === 0) return new Map();
  const subjects = payments.map(({ uuid }) => idOf('pay', uuid));
  const timelines = await readTimelinesOf(reader, subjects, ['payments']);
  return new Map(
    timelines.flatMap(({ uuid, events }) => {
      const requested = events.find(({ type }) => type === 'payment.requested');
      const terms = requested?.data && termsOf(requested.data);
      return requested && terms
        ? [[refOf({ tenant: requested.tenant, uuid }), BigInt(terms.amountMinor)]]
        : [];
    }),
  );
}

function refOf({ tenant, uuid }: RowRef): string {
  return `${tenant}/${uuid}`;
}
