/** The other way round: each row of the payments table has its event. The pages of payments follow the logs. */
import { idOf } from '#kernel/ids.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { countPaymentRows, listPaymentIds, type RowRef } from '#services/payments/contract.ts';
import type { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

const PAGE = { first: 5_000, least: 500, most: 50_000 };

/** What the pages of payments have found to have its row. */
export interface ProvedRows {
  /** Payments of ids up to `upTo`, each with a row of its own. */
  readonly payments: number;
  readonly upTo: string;
}

export interface PaymentRowsProof {
  readonly check: Check;
  readonly phase: Phase;
  /** Undefined: each row is looked at. */
  readonly proved?: ProvedRows | undefined;
}

/**
 * If each payment of the log has its row, and there are as many rows, then no row is without a payment: they are only
 * counted. If the numbers differ, by a forged row or by requests that came meanwhile, each row is looked up in the log.
 */
export async function verifyPaymentRows(lane: Lane, proof: PaymentRowsProof): Promise<void> {
  const { check, proved } = proof;
  const isProved = proved !== undefined && check.report().total === 0;
  if (isProved && (await areSoMany(lane, proved, proof.phase))) return;
  await lookUpRows(lane, proof);
}

/** Rows of later ids are looked up. */
async function areSoMany(lane: Lane, { payments, upTo }: ProvedRows, phase: Phase): Promise<boolean> {
  const pageSize = new PageSize(PAGE, lane.pace.pageMs);
  let counted = 0;
  for (let after: RowRef | undefined; ; ) {
    const startedAt = performance.now();
    const cursor = after;
    const limit = pageSize.rows;
    const page = await lane.snapshot(async (reader) => {
      const rows = await countPaymentRows(reader, cursor, { upTo, limit });
      return { ...rows, forged: await findForged(reader, rows.beyond) };
    });
    if (page.forged.length > 0) return false;
    counted += page.counted;
    phase.advance(page.counted + page.beyond.length);
    pageSize.took(performance.now() - startedAt);
    after = page.counted + page.beyond.length < limit ? undefined : page.last;
    if (after === undefined) return counted === payments;
  }
}

async function lookUpRows(lane: Lane, { check, phase }: PaymentRowsProof): Promise<void> {
  const pageSize = new PageSize(PAGE, lane.pace.pageMs);
  for (let after: RowRef | undefined; ; ) {
    const startedAt = performance.now();
    const cursor = after;
    const limit = pageSize.rows;
    const { listed, forged } = await lane.snapshot(async (reader) => {
      const rows = await listPaymentIds(reader, cursor, limit);
      return { listed: rows, forged: await findForged(reader, rows) };
    });
    for (const payment of forged) {
      const detail = `the table has it for ${payment.tenant}, no log tells of its request`;
      const { tenant } = payment;
      check.found({ kind: 'extra_payment', subject: idOf('pay', payment.uuid), detail, tenant });
    }
    phase.advance(listed.length);
    pageSize.took(performance.now() - startedAt);
    after = placeBehind(listed, limit);
    if (after === undefined) return;
  }
}

/** A row and its event are of one commit, so in one snapshot both are there. By the index on subjects. */
async function findForged(reader: Reader, listed: readonly RowRef[]): Promise<RowRef[]> {
  if (listed.length === 0) return [];
  const rows = await reader.query<{ place: number }>(
    `select listed.place::integer as place
     from unnest($1::text[], $2::text[]) with ordinality as listed(tenant, subject, place)
     where not exists (
       select from payments.events e
       where e.subject = listed.subject and e.tenant = listed.tenant and e.type = $3
     )`,
    [
      textArray(listed.map(({ tenant }) => tenant)),
      textArray(listed.map(({ uuid }) => idOf('pay', uuid))),
      balancePayment.begins,
    ],
  );
  return rows.map(({ place }) => listed[place - 1] as RowRef);
}
