/** The other way round: each row of the payments table has its event. The pages of payments follow the logs. */
import { idOf } from '#kernel/ids.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { listPaymentIds, type RowRef } from '#services/payments/contract.ts';
import type { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

const PAGE = { first: 5_000, least: 500, most: 50_000 };

export async function verifyPaymentRows(
  lane: Lane,
  { check, phase }: { readonly check: Check; readonly phase: Phase },
): Promise<void> {
  const pageSize = new PageSize(PAGE, lane.pace.pageMs);
  for (let after: RowRef | undefined; ; ) {
    const startedAt = performance.now();
    const cursor = after;
    const { listed, forged } = await lane.snapshot((reader) => readPage(reader, cursor, pageSize.rows));
    for (const payment of forged) {
      const detail = `the table has it for ${payment.tenant}, no log tells of its request`;
      const { tenant } = payment;
      check.found({ kind: 'extra_payment', subject: idOf('pay', payment.uuid), detail, tenant });
    }
    phase.advance(listed.length);
    pageSize.took(performance.now() - startedAt);
    after = listed.at(-1);
    if (after === undefined) return;
  }
}

/** A row and its event are of one commit, so in one snapshot both are there. By the index on subjects. */
async function readPage(
  reader: Reader,
  after: RowRef | undefined,
  limit: number,
): Promise<{ listed: RowRef[]; forged: RowRef[] }> {
  const listed = await listPaymentIds(reader, after, limit);
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
  return { listed, forged: rows.map(({ place }) => listed[place - 1] as RowRef) };
}
