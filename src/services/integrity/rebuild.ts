/** The verdicts, and the sagas still followed, made anew from the logs. */
import type {
  Correction,
  ModelTransaction,
  ReadModel,
  SubjectsInRange,
  Timeline,
} from '#platform/log/read-model.ts';
import { boolArray, textArray } from '#platform/postgres/arrays.ts';
import { type Judgement, judgeSubject } from './follow-saga.ts';
import { SAGA_EVENTS, SAGA_TOPICS, type SeenEvent, seenEvent } from './seen-event.ts';
import { filed, verdictColumns, verdictOf } from './store.ts';

/** When a verdict was reached is in no log: what is written anew is of now. */
const WRITE_VERDICTS = `
  insert into integrity.verdicts as v (subject, tenant, verdict, stages, findings, verified_at)
  select *, now() from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  on conflict (subject) do update
    set tenant = excluded.tenant, verdict = excluded.verdict, stages = excluded.stages, findings = excluded.findings,
        verified_at = excluded.verified_at
    where (v.tenant, v.verdict, v.stages, v.findings)
      is distinct from (excluded.tenant, excluded.verdict, excluded.stages, excluded.findings)
  returning 1 as written`;

/** By primary key, a range of subjects. */
const REMOVE_VERDICTS = `
  delete from integrity.verdicts v
  where ($1::text is null or v.subject > $1) and ($2::text is null or v.subject <= $2)
    and not exists (select from unnest($3::text[]) as judged(subject) where judged.subject = v.subject)
  returning 1 as removed`;

/**
 * A saga under way is in the table once the group has let go of its events: those that it has passed ($4), and those
 * that are there already. The others it holds in memory, and a row would be one too many.
 */
const WRITE_FOLLOWED = `
  insert into integrity.followed as f (subject, tenant, events, updated_at)
  select running.subject, running.tenant, running.events, now()
  from unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) as running(subject, tenant, events, begun)
  where running.begun or exists (select from integrity.followed k where k.subject = running.subject)
  on conflict (subject) do update set tenant = excluded.tenant, events = excluded.events, updated_at = excluded.updated_at
    where (f.tenant, f.events) is distinct from (excluded.tenant, excluded.events)
  returning 1 as written`;

const REMOVE_FOLLOWED = `
  delete from integrity.followed f
  where ($1::text is null or f.subject > $1) and ($2::text is null or f.subject <= $2)
    and not exists (select from unnest($3::text[]) as running(subject) where running.subject = f.subject)
  returning 1 as removed`;

export const verdictsModel: ReadModel = {
  name: 'verdicts',
  group: 'integrity',
  topics: SAGA_TOPICS,
  correct: correctVerdicts,
};

interface JudgedSaga {
  readonly subject: string;
  readonly tenant: string;
  readonly seen: readonly SeenEvent[];
  readonly judgement: Judgement;
  readonly begun: boolean;
}

async function correctVerdicts(
  tx: ModelTransaction,
  { after, upTo, timelines }: SubjectsInRange,
): Promise<Correction> {
  const sagas = timelines.map(judged);
  const ended = sagas
    .filter(({ judgement }) => judgement.verdict !== 'running')
    .map(({ subject, tenant, judgement }) => verdictOf(subject, tenant, judgement));
  const running = sagas.filter(({ judgement }) => judgement.verdict === 'running');
  const changed = await Promise.all([
    tx.query(WRITE_VERDICTS, verdictColumns(ended)),
    tx.query(WRITE_FOLLOWED, [
      textArray(running.map(({ subject }) => subject)),
      textArray(running.map(({ tenant }) => tenant)),
      textArray(running.map(({ seen }) => JSON.stringify(filed(seen)))),
      boolArray(running.map(({ begun }) => begun)),
    ]),
    tx.query(REMOVE_VERDICTS, [after, upTo, textArray(ended.map(({ subject }) => subject))]),
    tx.query(REMOVE_FOLLOWED, [after, upTo, textArray(running.map(({ subject }) => subject))]),
  ]);
  const [verdicts, followed, removedVerdicts, removedFollowed] = changed.map((rows) => rows.length);
  return {
    written: (verdicts ?? 0) + (followed ?? 0),
    removed: (removedVerdicts ?? 0) + (removedFollowed ?? 0),
  };
}

function judged({ subject, events, begun }: Timeline): JudgedSaga {
  const handled = events.filter(({ type }) => SAGA_EVENTS.has(type));
  const seen = handled.map(seenEvent);
  return { subject, tenant: events[0]?.tenant ?? '', seen, judgement: judgeSubject(subject, seen), begun };
}
