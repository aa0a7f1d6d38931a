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
