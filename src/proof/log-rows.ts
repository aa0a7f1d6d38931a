/** Events of a log as a proof of its service reads them: one behind the other, or all about some subjects. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { schemaOf } from './installation.ts';

export interface LogRow {
  readonly partition: number;
  readonly position: bigint;
  readonly type: string;
  readonly subject: string;
  readonly tenant: string;
  readonly key: string;
  readonly correlation_id: string;
  readonly data: string;
  readonly occurred_at: EpochMs;
}

/** Of a `LogRow`. */
export const ROW_COLUMNS =
  'e.partition, e.position, e.type, e.subject, e.tenant, e.key, e.correlation_id, e.data, e.occurred_at';

/** The next events of a partition, in their order. By primary key. */
export function readNext(
  reader: Reader,
  topic: string,
  { partition, after, limit }: { readonly partition: number; readonly after: bigint; readonly limit: number },
): Promise<LogRow[]> {
  return reader.query<LogRow>(
    `select ${ROW_COLUMNS} from ${schemaOf(topic)}.events e
     where e.partition = $1 and e.position > $2 order by e.position limit $3`,
    [partition, after, limit],
  );
}

/** In the order of the log. By its index on subjects. */
export async function readAbout(
  reader: Reader,
  topic: string,
  subjects: readonly string[],
): Promise<LogRow[]> {
  if (subjects.length === 0) return [];
  return reader.query<LogRow>(
    `select ${ROW_COLUMNS}
     from (select unnest($1::text[]) as subject) as wanted
     cross join lateral (select * from ${schemaOf(topic)}.events e where e.subject = wanted.subject offset 0) e
     order by e.partition, e.position`,
    [[...new Set(subjects)]],
  );
}
