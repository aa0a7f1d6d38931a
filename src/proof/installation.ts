/** What there is to prove, read from the database itself: partitions, topics, heads. */
import type { Reader } from '#platform/postgres/read-pool.ts';

export interface Head {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  readonly chain: Buffer;
}

export interface Installation {
  readonly partitions: number;
  /** Every schema that has a log, whether its heads are there or not. */
  readonly topics: readonly string[];
  readonly heads: readonly Head[];
}

export async function readInstallation(reader: Reader): Promise<Installation> {
  const [settings, topics, heads] = await Promise.all([
    reader.query<{ partitions: number }>('select partitions from log.installation', []),
    reader.query<{ topic: string }>(
      `select n.nspname as topic
       from pg_class events
       join pg_class batches on batches.relnamespace = events.relnamespace and batches.relname = 'batches'
       join pg_namespace n on n.oid = events.relnamespace
       where events.relname = 'events' and events.relkind = 'p'
       order by n.nspname`,
      [],
    ),
    readHeads(reader),
  ]);
  return { partitions: settings[0]?.partitions ?? 0, topics: topics.map(({ topic }) => topic), heads };
}

async function readHeads(reader: Reader): Promise<Head[]> {
  const rows = await reader.query<{ topic: string; partition: number; position: bigint; chain: Buffer }>(
    'select topic, partition, position, chain from log.heads order by topic, partition',
    [],
  );
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

/** How many events the heads of a topic count. */
export function eventsOf(installation: Installation, topic: string): number {
  return installation.heads.reduce((sum, head) => (head.topic === topic ? sum + head.position : sum), 0);
}

/** A topic's name as SQL: they are schema names, and one of them is a word of the language. */
export function schemaOf(topic: string): string {
  return `"${topic.replaceAll('"', '""')}"`;
}
