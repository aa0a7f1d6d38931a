/** What is new in the cards' log, judged a little behind it: for who follows it, where `verify` goes through all of it. */
import { idOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingEntries } from '#services/ledger/contract.ts';
import { entryIn } from './card-events.ts';
import { compareEvents, pageOf } from './compare-card-events.ts';
import { expectedEntry } from './follow-accounts.ts';
import { type LogRow, ROW_COLUMNS } from './log-rows.ts';
import { found, joined } from './paged-findings.ts';
import type { Finding } from './report.ts';

/**
 * Events of a snapshot, as far as no stretch is cut shorter than the least. Who decides card transactions waits for the thread
 * while each step of a page is worked through: some ms.
 */
const PAGE = 400;
/** Of each stretch, so that a card that is hot does not keep the others waiting. */
const STRETCH_LEAST = 25;

/** After the one position of a partition, up to the other. */
interface Stretch {
  readonly partition: number;
  readonly after: bigint;
  readonly upTo: bigint;
}

/**
 * What is new in the log, some of each stretch, with the entries that it tells of; and up to where. Of what an event is about
 * everything is looked at again: a step may come long after the decision.
 */
export async function judgeCardStretches(
  reader: Reader,
  stretches: readonly Stretch[],
): Promise<{ readonly judged: readonly Stretch[]; readonly findings: readonly Finding[] }> {
  const limit = Math.max(STRETCH_LEAST, Math.floor(PAGE / stretches.length));
  const rows = await readStretches(reader, stretches, limit);
  const page = pageOf(rows);
  const entries = page.events.flatMap(({ tenant, data }) => entryIn(tenant, data) ?? []).map(expectedEntry);
  const compared = await compareEvents(reader, page, { isAll: true });
  const differences = await differingEntries(reader, entries);
  const inBooks = found('entry', entries, differences, (key) => idOf('jen', key['id'] ?? ''));
  const { listed } = joined([...compared, inBooks]);
  const last = new Map(rows.map(({ partition, position }) => [partition, position]));
  const judged = stretches.map((stretch) => ({
    ...stretch,
    upTo: last.get(stretch.partition) ?? stretch.upTo,
  }));
  return { judged, findings: listed };
}

/** In order; by primary key. */
function readStretches(reader: Reader, stretches: readonly Stretch[], limit: number): Promise<LogRow[]> {
  return reader.query<LogRow>(
    `select e.* from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as s(partition, after, up_to)
     cross join lateral (
       select ${ROW_COLUMNS} from cards.events e
       where e.partition = s.partition and e.position > s.after and e.position <= s.up_to order by e.position limit $4
     ) e order by e.partition, e.position`,
    [
      stretches.map(({ partition }) => partition),
      stretches.map(({ after }) => after),
      stretches.map(({ upTo }) => upTo),
      limit,
    ],
  );
}
