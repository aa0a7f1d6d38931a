import type { EpochMs } from '#kernel/clock.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { decodeEvent, type EventRow } from '#platform/log/event-log.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Finding, Judgement } from './follow-saga.ts';
import { SAGA_EVENTS, SAGA_TOPICS, type SeenEvent, seenEvent } from './seen-event.ts';

export interface StoredVerdict {
  readonly subject: string;
  readonly tenant: string;
  readonly verdict: 'complete' | 'broken';
  /** Type, identity and instant of each event of the saga, causes before what they caused. */
  readonly stages: readonly (readonly [type: string, identity: string, at: EpochMs])[];
  readonly findings: readonly Finding[];
}

/** Of a saga that has ended. */
export function verdictOf(subject: string, tenant: string, judgement: Judgement): StoredVerdict {
  return {
    subject,
    tenant,
    verdict: judgement.verdict === 'complete' ? 'complete' : 'broken',
    stages: judgement.path.map(({ type, identity, at }) => [type, identity, at]),
    findings: judgement.findings,
  };
}

export interface FollowedSaga {
  readonly subject: string;
  readonly tenant: string;
  readonly events: readonly SeenEvent[];
}

/** In one order, whatever the order in which the logs were read: the row is a function of the events too. */
export function filed(seen: readonly SeenEvent[]): readonly SeenEvent[] {
  return seen.toSorted((a, b) => (a.at === b.at ? (a.identity < b.identity ? -1 : 1) : a.at - b.at));
}

/** By primary key. */
export const FIND_FOLLOWED = statement(
  'integrity.find_followed',
  `select f.subject, f.events from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (select * from integrity.followed f where f.subject = wanted.subject offset 0) f`,
);

/** By primary key. */
export const FIND_VERDICTS = statement(
  'integrity.find_verdicts',
  `select v.subject, v.tenant, v.verdict, v.stages, v.findings
   from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (select * from integrity.verdicts v where v.subject = wanted.subject offset 0) v`,
);

/** A verdict reached again is the same; one of more events replaces it. */
export const SAVE_VERDICTS = statement(
  'integrity.save_verdicts',
  `insert into integrity.verdicts as v (subject, tenant, verdict, stages, findings, verified_at)
   select subject, tenant, verdict, stages, findings, $6::timestamptz
   from ${batchRows('fresh', {
     subject: 'text',
     tenant: 'text',
     verdict: 'text',
     stages: 'text',
     findings: 'text',
   })}
   on conflict (subject) do update
     set verdict = excluded.verdict, stages = excluded.stages, findings = excluded.findings,
         verified_at = excluded.verified_at
     where (v.verdict, v.stages, v.findings) is distinct from (excluded.verdict, excluded.stages, excluded.findings)`,
);

/** Of sagas that go on: what was judged was not all of it. By primary key. */
export const WITHDRAW_VERDICTS = statement(
  'integrity.withdraw_verdicts',
  `delete from integrity.verdicts v
   using ${batchRows('resumed', { subject: 'text' })}
   cross join lateral (select t.ctid from integrity.verdicts t where t.subject = resumed.subject offset 0) as found(at)
   where v.ctid = found.at`,
);

/** Everything the logs have about the subjects; by each topic's index on subject. */
export const READ_TIMELINES = statement(
  'integrity.read_timelines',
  SAGA_TOPICS.map(
    (topic) => `
   select '${topic}' as topic, e.*
   from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (select * from "${topic}".events e where e.subject = wanted.subject offset 0) e`,
  ).join('\n   union all'),
);

/** Not for a saga that has its verdict: an event of it that was delivered again alone would be followed for ever. */
export const SAVE_FOLLOWED = statement(
  'integrity.save_followed',
  `insert into integrity.followed as f (subject, tenant, events, updated_at)
   select subject, tenant, events, $4::timestamptz
   from ${batchRows('fresh', { subject: 'text', tenant: 'text', events: 'text' })}
   where (select v.subject from integrity.verdicts v where v.subject = fresh.subject) is null
   on conflict (subject) do update set events = excluded.events, updated_at = excluded.updated_at`,
);

export const UNFOLLOW = statement(
  'integrity.unfollow',
  `delete from integrity.followed f
   using ${batchRows('ended', { subject: 'text' })}
   cross join lateral (select t.ctid from integrity.followed t where t.subject = ended.subject offset 0) as found(at)
   where f.ctid = found.at`,
);

export async function findFollowed(
  tx: Transaction,
  subjects: readonly string[],
): Promise<Map<string, readonly SeenEvent[]>> {
  if (subjects.length === 0) return new Map();
  const rows = await tx.query<{ subject: string; events: string }>(FIND_FOLLOWED, [textArray(subjects)]);
  return new Map(rows.map((row) => [row.subject, JSON.parse(row.events) as SeenEvent[]]));
}

export interface VerdictRow {
  subject: string;
  tenant: string;
  verdict: 'complete' | 'broken';
  stages: string;
  findings: string;
}

export function storedVerdict(row: VerdictRow): StoredVerdict {
  return {
    subject: row.subject,
    tenant: row.tenant,
    verdict: row.verdict,
    stages: JSON.parse(row.stages) as StoredVerdict['stages'],
    findings: JSON.parse(row.findings) as Finding[],
  };
}

export async function findVerdicts(
  tx: Transaction,
  subjects: readonly string[],
): Promise<Map<string, StoredVerdict>> {
  if (subjects.length === 0) return new Map();
  const rows = await tx.query<VerdictRow>(FIND_VERDICTS, [textArray(subjects)]);
  return new Map(rows.map((row) => [row.subject, storedVerdict(row)]));
}

export function saveVerdicts(tx: Transaction, verdicts: readonly StoredVerdict[], now: EpochMs): void {
  if (verdicts.length === 0) return;
  tx.run(SAVE_VERDICTS, [...verdictColumns(verdicts), new Date(now)]);
}

/** Subject, tenant, verdict, stages and findings: an array of text for each column of the rows. */
export function verdictColumns(verdicts: readonly StoredVerdict[]): Buffer[] {
  return [
    textArray(verdicts.map((verdict) => verdict.subject)),
    textArray(verdicts.map((verdict) => verdict.tenant)),
    textArray(verdicts.map((verdict) => verdict.verdict)),
    textArray(verdicts.map((verdict) => JSON.stringify(verdict.stages))),
    textArray(verdicts.map((verdict) => JSON.stringify(verdict.findings))),
  ];
}

export function withdrawVerdicts(tx: Transaction, subjects: readonly string[]): void {
  if (subjects.length > 0) tx.run(WITHDRAW_VERDICTS, [textArray(subjects)]);
}

/** The sagas' events of the subjects, as the logs have them now, whatever the group has read of them. */
export async function readSagaEvents(
  tx: Pick<Transaction, 'query'> | Pick<Session, 'query'>,
  subjects: readonly string[],
): Promise<Map<string, readonly LogEvent[]>> {
  if (subjects.length === 0) return new Map();
  const rows = await tx.query<EventRow & { topic: string }>(READ_TIMELINES, [textArray(subjects)]);
  const events = rows.filter(({ type }) => SAGA_EVENTS.has(type)).map((row) => decodeEvent(row.topic, row));
  return Map.groupBy(events, ({ subject }) => subject);
}

/** The same, as sagas are judged by them. */
export async function readTimelines(
  tx: Transaction,
  subjects: readonly string[],
): Promise<Map<string, readonly SeenEvent[]>> {
  const bySubject = await readSagaEvents(tx, subjects);
  return new Map([...bySubject].map(([subject, events]) => [subject, events.map(seenEvent)]));
}

export function saveFollowed(tx: Transaction, sagas: readonly FollowedSaga[], now: EpochMs): void {
  if (sagas.length === 0) return;
  tx.run(SAVE_FOLLOWED, [
    textArray(sagas.map((saga) => saga.subject)),
    textArray(sagas.map((saga) => saga.tenant)),
    textArray(sagas.map((saga) => JSON.stringify(saga.events))),
    new Date(now),
  ]);
}

export function unfollow(tx: Transaction, subjects: readonly string[]): void {
  if (subjects.length > 0) tx.run(UNFOLLOW, [textArray(subjects)]);
}
