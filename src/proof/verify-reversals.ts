/**
 * The other way round: each counter-entry of a payment has its event. Its id follows from that of its payment and is beside no
 * other of it, so it is in no page of payments. One that nobody posted would be taken for the one that gives the money back.
 */
import { idOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { listReversals } from '#services/ledger/contract.ts';
import { entryOf, parseData } from './event-data.ts';
import type { Lane } from './lane.ts';
import { readAbout } from './log-rows.ts';
import { extraOf, type Findings, pages, reportTo } from './paged-findings.ts';
import type { Check } from './report.ts';

/** Journal entries passed at a time, of which counter-entries are looked at. */
const WALK = 20_000;

export async function verifyReversals(lane: Lane, check: Check): Promise<void> {
  for await (const { findings } of pages(lane, findUntold)) reportTo(check, findings);
}

/** An entry and its event are of one commit, so in one snapshot both are there. */
async function findUntold(
  reader: Reader,
  after: string | undefined,
): Promise<{ readonly findings: Findings; readonly next: string | undefined }> {
  const { rows, last } = await listReversals(reader, after ?? null, WALK);
  const events = await readAbout(
    reader,
    'ledger',
    rows.map(({ cause }) => idOf('pay', cause)),
  );
  const told = new Set(
    events.flatMap(({ type, tenant, data }) => {
      const parsed = type === 'entry.posted' ? parseData(data) : undefined;
      return (parsed && entryOf(tenant, parsed)?.uuid) ?? [];
    }),
  );
  const extra = rows.filter(({ uuid }) => !told.has(uuid));
  return {
    findings: extraOf(
      'entry',
      extra.map(({ uuid }) => idOf('jen', uuid)),
    ),
    next: last,
  };
}
