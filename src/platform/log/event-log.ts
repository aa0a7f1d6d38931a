/**
 * The logs of the installation as one process sees them: a tail per topic, kept up to date by what this process
 * appends, by the notifications of others, and by a slow poll in case those are lost.
 */
import { InvariantViolation, invariant } from '#kernel/fault.ts';
import { int2Array, int8Array } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { type Session, statement } from '../postgres/session.ts';
import type { AppendedSegment } from './append.ts';
import type { JsonObject, LogEvent } from './event.ts';
import { perTopic } from './per-topic.ts';
import { TopicTail } from './tail.ts';
import { WAKE_UP_CHANNEL } from './wake-up.ts';

export const SELECT_HEADS = statement('log.heads', 'select topic, partition, position from log.heads');
const NOTIFY = statement('log.notify', `select pg_notify('${WAKE_UP_CHANNEL}', '')`);

/** A wake-up inside the batch would serialise commits (DESIGN §2: 7.6k → 2.4k/s); after it, at most so often, it is free. */
const NOTIFY_INTERVAL_MS = 10;
/** Notifications may be lost with their connection; heads are looked at this often whatever happens. */
const HEAD_POLL_MS = 250;
/** Of the data of events that are read from the table at once: thousands of those that are tens of kilobytes long would fill the heap. */
const READ_MAX_BYTES = 16 * 1024 * 1024;

export interface EventLogOptions {
  readonly session: Session;
  readonly topics: readonly string[];
  readonly partitions: number;
  readonly onError: (error: unknown) => void;
}

export class EventLog {
  readonly partitions: number;
  readonly #session: Session;
  readonly #tails: ReadonlyMap<string, TopicTail>;
  readonly #onError: (error: unknown) => void;
  #poll: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #pollAgain = false;
  #notifyDue: NodeJS.Timeout | undefined;
  #closed = false;
  /** Whether anybody else would hear: decided by the lease keeper's last look at the live processes. */
  othersLive = false;

  private constructor(options: EventLogOptions, tails: ReadonlyMap<string, TopicTail>) {
    this.partitions = options.partitions;
    this.#session = options.session;
    this.#onError = options.onError;
    this.#tails = tails;
  }

  static async open(options: EventLogOptions): Promise<EventLog> {
    const rows = await options.session.query<HeadRow>(SELECT_HEADS, []);
    const tails = new Map<string, TopicTail>();
    for (const topic of options.topics) {
      const heads = Array.from({ length: options.partitions }, () => 0);
      for (const row of rows) if (row.topic === topic) heads[row.partition] = Number(row.position);
      tails.set(topic, new TopicTail(topic, heads));
    }
    const log = new EventLog(options, tails);
    log.#poll = setInterval(() => log.wake(), HEAD_POLL_MS);
    return log;
  }

  tail(topic: string): TopicTail {
    const tail = this.#tails.get(topic);
    invariant(tail !== undefined, `no topic ${topic}`);
    return tail;
  }

  /** By topic and partition, the highest position known to be committed. */
  heads(): ReadonlyMap<string, readonly number[]> {
    const partitions = Array.from({ length: this.partitions }, (_, partition) => partition);
    return new Map(
      [...this.#tails].map(([topic, tail]) => [topic, partitions.map((partition) => tail.head(partition))]),
    );
  }

  /** By topic, of each partition the newest event that this process has had in hand. */
  newest(): ReadonlyMap<string, readonly LogEvent[]> {
    return new Map([...this.#tails].map(([topic, tail]) => [topic, tail.newest()]));
  }

  /** Enters what a commit of this process appended, in each topic's own tail, and tells the other processes. */
  publish(segments: readonly AppendedSegment[]): void {
    if (segments.length === 0) return;
    for (const [topic, own] of Map.groupBy(segments, (segment) => segment.topic))
      this.tail(topic).publish(own);
    if (this.othersLive) this.#notifySoon();
  }

  /** Somebody else may have appended: look at the heads. Calls while a look is under way ask for one more after it. */
  wake(): void {
    if (this.#closed) return;
    if (this.#polling !== undefined) {
      this.#pollAgain = true;
      return;
    }
    this.#polling = this.#readHeads()
      .catch(this.#onError)
      .finally(() => {
        this.#polling = undefined;
        if (this.#pollAgain) {
          this.#pollAgain = false;
          this.wake();
        }
      });
  }

  /**
   * Events after `after` up to and including `upTo` from the table, at most `limit`, of each partition's one range; fewer of large
   * ones, but one. Decoded into the tail for the other readers.
   */
  async readTable(
    session: Session,
    topic: string,
    ranges: readonly TableRange[],
    limit: number,
  ): Promise<LogEvent[]> {
    const rows = await session.query<EventRow>(readRanges(topic), [
      int2Array(ranges.map((range) => range.partition)),
      int8Array(ranges.map((range) => range.after)),
      int8Array(ranges.map((range) => Math.min(range.upTo, range.after + limit))),
      Math.ceil(READ_MAX_BYTES / ranges.length),
    ]);
    const events = rows.map((row) => readableEvent(topic, row));
    const tail = this.tail(topic);
    for (const range of ranges) {
      const own = events.filter((event) => event.partition === range.partition);
      // Before the tail takes them: what lacks a position must not reach the other readers either (T1).
      for (let index = 0; index < Math.max(1, own.length); index++) {
        const position = range.after + 1 + index;
        if (own[index]?.position !== position) throw new LogGap(topic, range.partition, position);
      }
      tail.fill(range.partition, own);
    }
    return events;
  }

  /** Asks the session nothing more: a question after its end would open it again. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#notifyDue);
    await this.#polling;
  }

  async #readHeads(): Promise<void> {
    for (const row of await this.#session.query<HeadRow>(SELECT_HEADS, [])) {
      this.#tails.get(row.topic)?.noteHead(row.partition, Number(row.position));
    }
  }

  #notifySoon(): void {
    this.#notifyDue ??= setTimeout(() => {
      this.#notifyDue = undefined;
      this.#session.query(NOTIFY, []).catch(this.#onError);
    }, NOTIFY_INTERVAL_MS);
  }
}

/** A position is missing in a table whose head has passed it, or is no event any more: somebody has damaged the log. */
export class LogGap extends InvariantViolation {
  readonly topic: string;
  readonly partition: number;

  constructor(
    topic: string,
    partition: number,
    position: number,
    fault: 'missing' | 'unreadable' = 'missing',
  ) {
    super(
      fault === 'missing'
        ? `${topic}/${partition} lacks position ${position}: the log has a gap; lastro verify tells more`
        : `${topic}/${partition}/${position} is not JSON: the log is damaged; lastro verify tells more`,
    );
    this.topic = topic;
    this.partition = partition;
  }
}

export interface TableRange {
  readonly partition: number;
  readonly after: number;
  readonly upTo: number;
}

export interface HeadRow {
  topic: string;
  partition: number;
  position: bigint;
}

/** What is read of an event `e` but for its data: never `*`, whose meaning a later migration changes under the statements of live sessions. */
export const ENVELOPE_COLUMNS = `e.partition, e.position, e.type, e.version, e.subject, e.tenant, e.key, e.occurred_at,
            e.correlation_id, e.causation, e.traceparent`;

export const EVENT_COLUMNS = `${ENVELOPE_COLUMNS}, e.data`;

export interface EventRow {
  partition: number;
  position: bigint;
  type: string;
  version: number;
  subject: string;
  tenant: string;
  key: string;
  data: string;
  occurred_at: number;
  correlation_id: string;
  causation: string;
  traceparent: string | null;
}

export function decodeEvent(
  topic: string,
  row: EventRow,
  parse: (text: string) => unknown = JSON.parse,
): LogEvent {
  return {
    topic,
    partition: row.partition,
    position: Number(row.position),
    type: row.type,
    version: row.version,
    subject: row.subject,
    tenant: row.tenant,
    key: row.key,
    data: parse(row.data) as JsonObject,
    occurredAt: row.occurred_at,
    correlationId: row.correlation_id,
    causation: row.causation,
    traceparent: row.traceparent,
  };
}

function readableEvent(topic: string, row: EventRow): LogEvent {
  try {
    return decodeEvent(topic, row);
  } catch {
    // Written as JSON and changed since.
    throw new LogGap(topic, row.partition, Number(row.position), 'unreadable');
  }
}

/**
 * By primary key, a range per partition, up to the first event behind so many bytes of data; in (partition, position) order, which
 * is the order within a partition.
 */
const readRanges = perTopic((topic) =>
  statement(
    `${topic}.read_ranges`,
    `select ${EVENT_COLUMNS}
     from ${batchRows('range', { partition: 'smallint', after: 'bigint', up_to: 'bigint' })}
     cross join lateral (
       select *, sum(octet_length(e.data)) over (order by e.position rows unbounded preceding) - octet_length(e.data) as before
       from "${topic}".events e
       where e.partition = range.partition and e.position > range.after and e.position <= range.up_to
       order by e.position
     ) e
     where e.before < $4::bigint`,
  ),
);
