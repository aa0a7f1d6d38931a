import type { LogEvent } from '../log/event.ts';
import type { EventLog, TableRange } from '../log/event-log.ts';
import type { Session } from '../postgres/session.ts';

export interface ReadNewOptions {
  readonly log: EventLog;
  readonly session: Session;
  readonly topic: string;
  readonly partitions: readonly number[];
  /** How far a partition has been read. */
  readonly after: (partition: number) => number;
  /** Most events over all partitions. */
  readonly room: number;
}

/** What is new in a topic, by partition: from the tail where it has it, else from the table. */
export async function readNew(options: ReadNewOptions): Promise<Map<number, readonly LogEvent[]>> {
  const tail = options.log.tail(options.topic);
  const found = new Map<number, readonly LogEvent[]>();
  const elsewhere: TableRange[] = [];
  let left = options.room;
  for (const partition of options.partitions) {
    if (left <= 0) break;
    const after = options.after(partition);
    const read = tail.read(partition, after, left);
    if (read.kind === 'events') {
      found.set(partition, read.events);
      left -= read.events.length;
    } else if (read.kind === 'elsewhere') {
      elsewhere.push({ partition, after, upTo: read.upTo });
      left -= Math.min(left, read.upTo - after);
    }
  }
  if (elsewhere.length > 0) await readTable(options, elsewhere, found);
  return found;
}

async function readTable(
  { log, session, topic, room }: ReadNewOptions,
  ranges: readonly TableRange[],
  found: Map<number, readonly LogEvent[]>,
): Promise<void> {
  const share = Math.max(1, Math.floor(room / ranges.length));
  const events = await log.readTable(session, topic, ranges, share);
  for (const { partition } of ranges) {
    found.set(
      partition,
      events.filter((event) => event.partition === partition),
    );
  }
}
