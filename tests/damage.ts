/** What a damage is, and how one is told: what was done, and what a proof must find. */
import pg from 'pg';
import { idOf } from '#kernel/ids.ts';

/** Runs one statement as the owner and returns the first column of its first row, as text. */
export type Run = (sql: string, ...values: readonly unknown[]) => Promise<string>;

export interface Damage {
  readonly title: string;
  readonly inflict: (run: Run) => Promise<readonly ExpectedFinding[]>;
}

export interface ExpectedFinding {
  readonly check: string;
  readonly kind: string;
  readonly subject: string;
}

/** A damage to a payment or an entry, whose statement returns its uuid. */
export function toOne(
  prefix: 'pay' | 'jen' | 'ctx',
  title: string,
  sql: string,
  found: readonly (readonly [check: string, kind: string])[],
): Damage {
  return {
    title,
    async inflict(run) {
      const subject = idOf(prefix, await run(sql));
      return found.map(([check, kind]) => ({ check, kind, subject }));
    },
  };
}

/** A damage whose statement returns the subject as it will be reported. */
export function toNamed(
  title: string,
  sql: string,
  found: readonly (readonly [check: string, kind: string])[],
): Damage {
  return {
    title,
    async inflict(run) {
      const subject = await run(sql);
      return found.map(([check, kind]) => ({ check, kind, subject }));
    },
  };
}

/** The uuid of a payment of that status, always the same one. */
export function some(status: string): string {
  return `(select id from payments.payments where status = '${status}' order by id offset 1 limit 1)`;
}

/** As the owner of the database. */
export async function inflict(url: string, damage: Damage): Promise<readonly ExpectedFinding[]> {
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  try {
    return await damage.inflict(async (sql, ...values) => {
      const { rows } = await owner.query<unknown[], unknown[]>({
        text: sql,
        values: [...values],
        rowMode: 'array',
      });
      if (rows.length === 0) throw new Error(`nothing was damaged by ${sql}`);
      return String(rows[0]?.[0]);
    });
  } finally {
    await owner.end();
  }
}
