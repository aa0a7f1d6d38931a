/**
 * The statements of attempts. Those of a subject are locked together: whoever wants one of them takes the first of them
 * before, and then all that there are. A later statement takes the rest (R2): by then none can be begun any more.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { int2Array, int4Array, textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Attempt } from './attempt.ts';
import {
  type AttemptRow,
  attemptOf,
  CHANGING,
  COLUMNS,
  changingColumnsOf,
  columnsIn,
  columnsOf,
} from './attempt-row.ts';
import { type AttemptChanges, Attempts } from './attempts.ts';
import { ASKED_AGAIN_WITHIN_MS, AWAITED_WITHIN_MS } from './schedule.ts';

/** The first attempt of each subject, in the order given, by the index on subject; callers give subjects ascending (R3). */
export const LOCK_SUBJECTS = statement(
  'providers.lock_subjects',
  `select 1 from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (
     select a.id from providers.attempts a where a.subject = wanted.subject order by a.kind, a.number limit 1
     for no key update
   ) a`,
);

/**
 * Behind that lock all attempts of the subjects, charges before refunds, the first before the next; by the index on
 * subject. Locked too: a claim (CLAIM_DUE) takes single attempts. A row that is waited for is read as it is afterwards.
 */
export const LOAD_ATTEMPTS = statement(
  'providers.load_attempts',
  `select ${columnsIn('a')} from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (
     select * from providers.attempts a where a.subject = wanted.subject order by a.kind, a.number
     for no key update
   ) a`,
);

export const INSERT_ATTEMPTS = statement(
  'providers.insert_attempts',
  `insert into providers.attempts (${Object.keys(COLUMNS).join(', ')}) select v.* from ${batchRows('v', COLUMNS)}`,
);

/** By primary key, of rows whose subject's lock is held. `calls` and `send_before` are the claim's alone. */
export const UPDATE_ATTEMPTS = statement(
  'providers.update_attempts',
  `update providers.attempts a set ${Object.keys(CHANGING)
    .map((column) => `${column} = v.${column}`)
    .join(', ')}
   from ${batchRows('v', { id: 'uuid', ...CHANGING })}
   cross join lateral (select t.ctid from providers.attempts t where t.id = v.id offset 0) as found(at)
   where a.ctid = found.at`,
);

/**
 * Sent behind an append, whose positions nobody knows before: the last event of the type about the subject becomes the
 * cause of what is told next of the attempt. By primary key, and the log's index on subject; locks nothing new.
 */
export const FOLLOW_EVENTS = statement(
  'providers.follow_events',
  `update providers.attempts a set cause = 'providers/' || own.home || '/' || found.position
   from ${batchRows('v', { id: 'uuid', subject: 'text', type: 'text' })}
   cross join lateral (select t.ctid, t.partition from providers.attempts t where t.id = v.id offset 0) as own(at, home)
   cross join lateral (
     select max(e.position) from providers.events e where e.subject = v.subject and e.type = v.type
   ) as found(position)
   where a.ctid = own.at and found.position is not null`,
);

/** What was taken, being worked on from now on: it is due again at a time when whoever has taken it must be gone. */
const TAKEN = `returning ${columnsIn('a')}, due.state as found`;

/**
 * Takes what is due in the partitions, from the first on, the longest due of each first, by the index of what is due; passes
 * over what another holds just now. Its state before says what is to be done. Charges that wait are left to CLAIM_CHARGES,
 * as long as there is anybody in their round to wait for, or they have not waited for long; but not one that may have left
 * before and waits for a provider that is not called: it is asked about. Those whose time is over are ended, room or none.
 */
export const CLAIM_DUE = statement(
  'providers.claim_due',
  `with due as (
     select d.at, d.state
     from ${batchRows('owned', { partition: 'smallint' })}
     cross join lateral (
       select t.ctid as at, t.state from providers.attempts t
       where t.partition = owned.partition and t.due_at <= $2::timestamptz
         and (t.state <> 'waiting' or t.deadline_at <= $2::timestamptz
           or t.provider <> all ($6::text[])
             and (t.exposed
               or t.created_at <= $8::timestamptz
                 and not (t.provider = any ($7::text[]) or t.others::jsonb ?| $7::text[])))
       order by t.due_at limit $5::integer for no key update skip locked
     ) d
     limit $5::integer
   )
   update providers.attempts a
   set state = case a.state when 'waiting' then 'sending' else a.state end,
       send_before = case a.state when 'waiting' then $3::timestamptz else a.send_before end,
       due_at = $4::timestamptz, calls = a.calls + 1
   from due where a.ctid = due.at
   ${TAKEN}`,
);

/** In one partition. */
const HASTENED_MAX = 500;

/**
 * Providers are called again: what of theirs is in doubt is asked about by `$4` at the latest, not all at once. By the index
 * of what is due.
 */
export const HASTEN_QUESTIONS = statement(
  'providers.hasten_questions',
  `update providers.attempts a
   set due_at = $2::timestamptz + random() * ($4::timestamptz - $2::timestamptz)
   from ${batchRows('owned', { partition: 'smallint' })}
   cross join lateral (
     select t.ctid as at from providers.attempts t
     where t.partition = owned.partition and t.due_at > $4::timestamptz
       and t.kind = 'charge' and t.state in ('unknown', 'voiding', 'pending') and t.provider = any ($3::text[])
     order by t.due_at limit ${HASTENED_MAX} for no key update skip locked
   ) waiting
   where a.ctid = waiting.at`,
);

/**
 * Takes charges that wait for a provider, no more of each than it has room for; otherwise as CLAIM_DUE. They are being sent
 * from now on, until `send_before`. Those that have never left and wait for one that is not called go to whoever of their
 * round has room: the first that they ask lets them go.
 */
export const CLAIM_CHARGES = statement(
  'providers.claim_charges',
  `with due as (
     select d.at, d.state
     from ${batchRows('roomy', { provider: 'text', room: 'integer' }, 5)}
     cross join lateral (
       select e.at, e.state
       from ${batchRows('owned', { partition: 'smallint' })}
       cross join lateral (
         select t.ctid as at, t.state from providers.attempts t
         where t.partition = owned.partition and t.due_at <= $2::timestamptz
           and t.state = 'waiting' and t.deadline_at > $2::timestamptz
           and (t.provider = roomy.provider
             or t.provider <> all ($7::text[]) and not t.exposed and t.others::jsonb ? roomy.provider)
         order by t.due_at limit roomy.room for no key update skip locked
       ) e
       limit roomy.room
     ) d
   )
   update providers.attempts a
   set state = 'sending', send_before = $3::timestamptz, due_at = $4::timestamptz, calls = a.calls + 1
   from due where a.ctid = due.at
   ${TAKEN}`,
);

/** The attempts of the subjects, locked until the commit. Nothing is sent for none: balance payments pass here too. */
export async function lockAttempts(tx: Transaction, subjects: readonly string[]): Promise<Attempts> {
  if (subjects.length === 0) return new Attempts([]);
  const inOrder = textArray([...new Set(subjects)].toSorted());
  tx.run(LOCK_SUBJECTS, [inOrder]);
  return new Attempts((await tx.query<AttemptRow>(LOAD_ATTEMPTS, [inOrder])).map(attemptOf));
}

/** Sends what changed but the events; the order of an append behind it is the caller's (R3: heads last). */
export function saveAttempts(tx: Transaction, { begun, changed }: AttemptChanges, now: EpochMs): void {
  if (begun.length > 0) tx.run(INSERT_ATTEMPTS, columnsOf(begun));
  if (changed.length === 0) return;
  tx.run(UPDATE_ATTEMPTS, changingColumnsOf(changed, now));
}

/** Sends what makes the told events the causes of the next ones; behind the append. */
export function followEvents(tx: Transaction, { followers }: AttemptChanges): void {
  if (followers.length === 0) return;
  tx.run(FOLLOW_EVENTS, [
    uuidArray(followers.map(({ uuid }) => uuid)),
    textArray(followers.map(({ subject }) => subject)),
    textArray(followers.map(({ type }) => type)),
  ]);
}

export interface Claimed {
  readonly attempt: Attempt;
  /** Its state when it fell due. */
  readonly found: Attempt['state'];
}

export interface Claim {
  /** The first ones first. */
  readonly partitions: readonly number[];
  readonly now: EpochMs;
  readonly sendBefore: EpochMs;
  readonly dueAgainAt: EpochMs;
  /** Of everything but charges that wait for room. */
  readonly limit: number;
  /** By provider that answers, the most charges that are taken. */
  readonly rooms: ReadonlyMap<string, number>;
  /** Providers that are waited for: those, and those that were away for a moment only. */
  readonly awaited: readonly string[];
}

export async function claimDue(session: Session, claim: Claim): Promise<Claimed[]> {
  const { now, sendBefore, dueAgainAt, limit, rooms, awaited } = claim;
  const taken = [
    int2Array(claim.partitions),
    new Date(now),
    new Date(sendBefore),
    new Date(dueAgainAt),
  ] as const;
  const called = textArray([...rooms.keys()]);
  const roomy = [...rooms].filter(([, room]) => room > 0);
  // Together: what one has taken is never left behind by the failure of the other.
  const rows = await session.transaction(async (tx) => {
    const due = tx.query<ClaimedRow>(CLAIM_DUE, [
      ...taken,
      limit,
      called,
      textArray(awaited),
      new Date(now - AWAITED_WITHIN_MS),
    ]);
    if (roomy.length === 0) return due;
    const charges = tx.query<ClaimedRow>(CLAIM_CHARGES, [
      ...taken,
      textArray(roomy.map(([provider]) => provider)),
      int4Array(roomy.map(([, room]) => room)),
      called,
    ]);
    return [...(await due), ...(await charges)];
  });
  return rows.map((row) => ({ attempt: attemptOf(row), found: row.found }));
}

/** Of what is in doubt at providers that are called again. */
export async function hastenQuestions(
  session: Session,
  {
    partitions,
    now,
    providers,
  }: Pick<Claim, 'partitions' | 'now'> & { readonly providers: readonly string[] },
): Promise<void> {
  await session.query(HASTEN_QUESTIONS, [
    int2Array(partitions),
    new Date(now),
    textArray(providers),
    new Date(now + ASKED_AGAIN_WITHIN_MS),
  ]);
}

type ClaimedRow = AttemptRow & { found: Attempt['state'] };
