import { textArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { type Statement, statement, type Transaction } from '../postgres/session.ts';

const statements = new Map<string, Statement>();

/**
 * Which of the subjects have an event in the topic. How a service without state of its own knows, when an event is
 * delivered again, that it has answered it already (U3). By the index on subject.
 */
export async function subjectsIn(
  tx: Transaction,
  topic: string,
  subjects: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ subject: string }>(subjectsStatement(topic), [textArray(subjects)]);
  return new Set(rows.map((row) => row.subject));
}

export function subjectsStatement(topic: string): Statement {
  let prepared = statements.get(topic);
  if (prepared === undefined) {
    prepared = statement(
      `${topic}.subjects_in`,
      `select e.subject from ${batchRows('wanted', { subject: 'text' })}
       cross join lateral (select e.subject from "${topic}".events e where e.subject = wanted.subject limit 1) e`,
    );
    statements.set(topic, prepared);
  }
  return prepared;
}

const causationStatements = new Map<string, Statement>();

/**
 * Identities of the events that those about the subjects answer in the topic: for who answers several events about one
 * subject, and has to know which of them it has answered (U3). By the index on subject.
 */
export async function causationsIn(
  tx: Transaction,
  topic: string,
  subjects: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ causation: string }>(causationsStatement(topic), [
    textArray([...new Set(subjects)]),
  ]);
  return new Set(rows.map((row) => row.causation));
}

export function causationsStatement(topic: string): Statement {
  let prepared = causationStatements.get(topic);
  if (prepared === undefined) {
    prepared = statement(
      `${topic}.causations_in`,
      `select e.causation from ${batchRows('wanted', { subject: 'text' })}
       cross join lateral (
         select e.causation from "${topic}".events e where e.subject = wanted.subject offset 0
       ) e`,
    );
    causationStatements.set(topic, prepared);
  }
  return prepared;
}
