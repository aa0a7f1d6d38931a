/**
 * Which versions of merchant rules the log tells of: noted while the log is passed, so that nothing of it is read again for
 * them. A version takes some thirty bytes, and is the work of a person.
 */
import type { Reader } from '#platform/postgres/read-pool.ts';
import { cardEventOf } from './card-events.ts';
import { type LogRow, ROW_COLUMNS } from './log-rows.ts';

export interface RulesVersion {
  readonly tenant: string;
  readonly version: number;
}

/** Each carries up to a thousand rules. */
const PAGE = 100;

export function rulesRef({ tenant, version }: RulesVersion): string {
  return `${tenant}/${version}`;
}

export class RulesTold {
  readonly #told = new Set<string>();
  /** By partition, up to where. */
  readonly #passed = new Map<number, bigint>();

  /** The next events of a partition, in their order. */
  passed(partition: number, rows: readonly LogRow[]): void {
    for (const row of rows) {
      const version = row.type === 'merchant_rules.replaced' ? cardEventOf(row)?.data['version'] : undefined;
      if (typeof version === 'number') this.#told.add(rulesRef({ tenant: row.tenant, version }));
    }
    const last = rows.at(-1);
    if (last !== undefined) this.#passed.set(partition, last.position);
  }

  /** Those that no event tells of. What was replaced since the log was passed is looked for, if anything is in doubt. */
  async untold(reader: Reader, versions: readonly RulesVersion[]): Promise<RulesVersion[]> {
    const isUntold = (version: RulesVersion): boolean => !this.#told.has(rulesRef(version));
    if (versions.some(isUntold)) await this.#passRest(reader);
    return versions.filter(isUntold);
  }

  async #passRest(reader: Reader): Promise<void> {
    for (let rows = await this.#readRest(reader); rows.length > 0; rows = await this.#readRest(reader)) {
      for (const [partition, own] of Map.groupBy(rows, (row) => row.partition)) this.passed(partition, own);
    }
  }

  /** By the log's index on the subject, of which all rules have the same. */
  #readRest(reader: Reader): Promise<LogRow[]> {
    const passed = [...this.#passed];
    return reader.query<LogRow>(
      `select ${ROW_COLUMNS} from cards.events e
       left join unnest($1::integer[], $2::bigint[]) as passed(partition, position) on passed.partition = e.partition
       where e.subject = 'merchant-rules' and e.position > coalesce(passed.position, 0)
       order by e.partition, e.position limit $3`,
      [passed.map(([partition]) => partition), passed.map(([, position]) => position), PAGE],
    );
  }
}
