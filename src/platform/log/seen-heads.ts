/**
 * What this process has seen committed holds for every server that it connects to: one whose logs end before is a database
 * that was put back, or a standby that took over without the last commits. There the process would go on in events that are
 * gone, pass over those that come in their places, and believe in accounts that were never opened. So it works there no more,
 * whatever the cause, until it is started anew or the server has them again (docs/adr/0028). That a log is as long as it was says
 * nothing of that: others may have appended to it. It has to have the event that was there.
 */
import type pg from 'pg';
import { int2Array, int8Array } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { DatabaseFault } from '../postgres/faults.ts';
import { statement } from '../postgres/session.ts';
import { eventIdentity, type LogEvent } from './event.ts';
import { type EventLog, type HeadRow, SELECT_HEADS } from './event-log.ts';
import { perTopic } from './per-topic.ts';

export class SeenHeads {
  #log: EventLog | undefined;
  #lack: string | undefined;

  /** Before that nothing is known, and every server will do. */
  knownBy(log: EventLog): void {
    this.#log = log;
  }

  /** What the server that was connected to last lacks, fit to be shown; undefined if nothing. */
  get lack(): string | undefined {
    return this.#lack;
  }

  /** Along the primary keys, some hundred rows that are always cached, and as many events; no locks. */
  async inspect(client: pg.Client): Promise<void> {
    if (this.#log === undefined) return;
    // Before it is asked: what is committed meanwhile the answer need not have.
    const seen = this.#log.heads();
    const newest = this.#log.newest();
    const { rows } = await client.query<HeadRow>(SELECT_HEADS);
    const lack = shorterAmong(rows, seen) ?? (await replacedAmong(client, newest));
    this.#lack = lack && `the database lacks commits that this process has seen (${lack}): ${REMEDY}`;
    if (this.#lack === undefined) return;
    throw new DatabaseFault(this.#lack, { transient: true, state: undefined, cause: undefined });
  }
}

const REMEDY = 'it was put back, or a failover has lost them; start every process anew';

function shorterAmong(
  rows: readonly HeadRow[],
  seen: ReadonlyMap<string, readonly number[]>,
): string | undefined {
  const behind = rows.find(
    ({ topic, partition, position }) => Number(position) < (seen.get(topic)?.[partition] ?? 0),
  );
  if (behind === undefined) return undefined;
  const { topic, partition, position } = behind;
  return `${topic}/${partition} ends at ${position}, and has ended at ${seen.get(topic)?.[partition]}`;
}

/** An event whose row is gone was lost otherwise: behind a failover another one is in its place. */
async function replacedAmong(
  client: pg.Client,
  newest: ReadonlyMap<string, readonly LogEvent[]>,
): Promise<string | undefined> {
  const found = await Promise.all([...newest].map(([topic, events]) => replacedIn(client, topic, events)));
  const replaced = found.find((event) => event !== undefined);
  return replaced && `${eventIdentity(replaced)} was another event`;
}

async function replacedIn(
  client: pg.Client,
  topic: string,
  events: readonly LogEvent[],
): Promise<LogEvent | undefined> {
  if (events.length === 0) return undefined;
  const places = [
    int2Array(events.map(({ partition }) => partition)),
    int8Array(events.map(({ position }) => position)),
  ];
  const { rows } = await client.query<PlacedRow>({ ...eventsAt(topic), values: places });
  const byPartition = new Map(rows.map((row) => [row.partition, row]));
  return events.find((event) => {
    const row = byPartition.get(event.partition);
    return row !== undefined && !isOf(row, event);
  });
}

/** What is decided anew is decided at another instant, or of another cause. */
function isOf(row: PlacedRow, { type, subject, causation, occurredAt }: LogEvent): boolean {
  return (
    row.type === type &&
    row.subject === subject &&
    row.causation === causation &&
    row.occurred_at === occurredAt
  );
}

interface PlacedRow {
  readonly partition: number;
  readonly type: string;
  readonly subject: string;
  readonly causation: string;
  readonly occurred_at: number;
}

const eventsAt = perTopic((topic) =>
  statement(
    `${topic}.seen_events`,
    `select e.partition, e.type, e.subject, e.causation, e.occurred_at
     from ${batchRows('seen', { partition: 'smallint', position: 'bigint' })}
     cross join lateral (
       select * from "${topic}".events e where e.partition = seen.partition and e.position = seen.position offset 0
     ) e`,
  ),
);
