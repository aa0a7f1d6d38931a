import { textArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { statement, type Transaction } from '../postgres/session.ts';
import { eventIdentity, type LogEvent } from './event.ts';
import { perTopic } from './per-topic.ts';

/**
 * Which of the subjects have an event in the topic. How a service without state of its own knows, when an event is
 * delivered again, that it has answered it already (U3). By the index on subject.
 */
export async function subjectsIn(
  tx: Transaction,
  topic: string,
  subjects: readonly string[],
): Promise<ReadonlySet<string>> {
  if (subjects.length === 0) return new Set();
  const rows = await tx.query<{ subject: string }>(subjectsStatement(topic), [textArray(subjects)]);
  return new Set(rows.map((row) => row.subject));
}

export const subjectsStatement = perTopic((topic) =>
  statement(
    `${topic}.subjects_in`,
    `select e.subject from ${batchRows('wanted', { subject: 'text' })}
     cross join lateral (select e.subject from "${topic}".events e where e.subject = wanted.subject limit 1) e`,
  ),
);

/** Where a subject stands in a topic: its last event there. */
export interface LastEvent {
  readonly type: string;
  readonly identity: string;
  readonly causation: string;
}

/**
 * The last event of each subject in the topic, by subject; of those that have one. No locks. All of a subject are in one
 * partition, so that positions tell which is the last. By the index on subject, and the primary key.
 */
export async function lastEventsIn(
  tx: Transaction,
  topic: string,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, LastEvent>> {
  if (subjects.length === 0) return new Map();
  const rows = await tx.query<LastEventRow>(lastEventsStatement(topic), [textArray(subjects)]);
  return new Map(
    rows.map(({ subject, partition, position, type, causation }) => [
      subject,
      { type, causation, identity: eventIdentity({ topic, partition, position: Number(position) }) },
    ]),
  );
}

interface LastEventRow {
  subject: string;
  partition: number;
  position: bigint;
  type: string;
  causation: string;
}

export const lastEventsStatement = perTopic((topic) =>
  statement(
    `${topic}.last_events_in`,
    `select e.subject, e.partition, e.position, e.type, e.causation
     from ${batchRows('wanted', { subject: 'text' })}
     cross join lateral (
       select min(o.partition) as partition, max(o.position) as position
       from "${topic}".events o where o.subject = wanted.subject
     ) last
     cross join lateral (
       select * from "${topic}".events e where e.partition = last.partition and e.position = last.position offset 0
     ) e`,
  ),
);

/**
 * Which of the events have caused one in the topic, about their own subject; as identities. For a service that answers
 * several events about one subject, each by itself. By the index on subject: it looks at a subject's own events only.
 */
export async function causationsIn(
  tx: Transaction,
  topic: string,
  causes: readonly Pick<LogEvent, 'topic' | 'partition' | 'position' | 'subject'>[],
): Promise<ReadonlySet<string>> {
  if (causes.length === 0) return new Set();
  const rows = await tx.query<{ causation: string }>(causationsStatement(topic), [
    textArray(causes.map((event) => event.subject)),
    textArray(causes.map(eventIdentity)),
  ]);
  return new Set(rows.map((row) => row.causation));
}

export const causationsStatement = perTopic((topic) =>
  statement(
    `${topic}.causations_in`,
    `select e.causation from ${batchRows('wanted', { subject: 'text', causation: 'text' })}
     cross join lateral (
       select e.causation from "${topic}".events e
       where e.subject = wanted.subject and e.causation = wanted.causation limit 1
     ) e`,
  ),
);
