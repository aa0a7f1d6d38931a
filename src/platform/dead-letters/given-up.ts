/**
 * What a service has tried outside and given up: a call of a connector, a webhook's delivery. It becomes a dead letter in the
 * service's own commit, and from then on it is listed, grouped and ordered about like an event that a group could not handle.
 *
 * G1: its event was handled, so nothing is parked behind it, and nothing is abandoned by giving it up.
 * G2: what is to be done again only its service knows: the one that serves the group (`GivenUpWork`).
 * G3: what was given up only because its destination was away says which one (returns.ts).
 */
import type { EpochMs } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { BatchObserver } from '../batch/observer.ts';
import type { JsonObject } from '../log/event.ts';
import {
  int2Array,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { statement, type Transaction } from '../postgres/session.ts';
import { type BuriedEvent, type Failure, storable } from './bury.ts';
import { LOCK_LETTERS } from './command-store.ts';
import type { DeadLetter } from './dead-letter.ts';

export interface GivenUp {
  /** That has acted on the event. */
  readonly group: string;
  /** Of which it followed. */
  readonly event: BuriedEvent;
  /** Whom it was meant for: the name of a connector, the id of an endpoint. */
  readonly target: string;
  /** By its service's own id. */
  readonly work: string;
  readonly failure: Failure & { readonly status: number | null };
  readonly attempts: number;
  readonly firstAt: EpochMs;
  /** G3 */
  readonly waitsFor: string | null;
}

/** As it is told of once it is committed. */
export interface BuriedWork extends Pick<GivenUp, 'group' | 'event' | 'target' | 'work' | 'failure'> {
  readonly id: string;
}

/** An order to try again what was given up, or to leave it so. */
export interface GivenUpOrder {
  readonly tenant: string;
  readonly group: string;
  /** The event that it followed from. */
  readonly event: Pick<BuriedEvent, 'topic' | 'partition' | 'position' | 'subject' | 'type'>;
  readonly work: string;
  /** JSON; instead of what was sent. */
  readonly editedData: string | null;
  /** Of the order: `rdl_…`. */
  readonly orderId: string;
  readonly reason: string | null;
  readonly actor: string;
  readonly now: EpochMs;
}

export type GivenUpEnd =
  | {
      /** What takes its place, by its service's own id. */
      readonly replayedAs: string;
      readonly committed: () => Promise<void>;
    }
  /** It cannot be tried again as things are: the dead letter stays. */
  | { readonly failure: Failure };

/** What a service offers about what it has given up, of some of its groups. */
export interface GivenUpReads {
  readonly groups: readonly string[];
  /** For people: what was to be sent, and its tries. Null if nothing is known of it any more. */
  describe(letter: DeadLetter): Promise<JsonObject | null>;
  /** Why it cannot be tried again with this in the place of what was sent. Outside of any transaction. */
  objectionTo(letter: DeadLetter, data: JsonObject): Promise<Problem | undefined>;
}

export interface GivenUpWork extends GivenUpReads {
  /** In the order's transaction, which holds the dead letter; locks and writes what follows, the log's heads last (R3). */
  replay(tx: Transaction, order: GivenUpOrder): Promise<GivenUpEnd>;
  /** A person has given it up. If something of it would go on nevertheless, it is ended so; what then is left to do after the commit. */
  giveUp?(tx: Transaction, order: GivenUpOrder): Promise<(() => Promise<void>) | undefined>;
}

/** Inserts only. */
export const INSERT_GIVEN_UP = statement(
  'log.insert_given_up',
  `insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                 error_code, error, attempts, state, failed_first_at, failed_last_at, target, work,
                                 error_status, waits_for)
   select id, consumer_group, partition, work, topic, position, tenant, subject, type, version, error_code, error, attempts,
          'open', failed_first_at, $18::timestamptz, target, work, error_status, waits_for
   from ${batchRows('given_up', {
     id: 'uuid',
     consumer_group: 'text',
     partition: 'smallint',
     topic: 'text',
     position: 'bigint',
     tenant: 'text',
     subject: 'text',
     type: 'text',
     version: 'smallint',
     error_code: 'text',
     error: 'text',
     attempts: 'integer',
     failed_first_at: 'timestamptz',
     target: 'text',
     work: 'text',
     error_status: 'smallint',
     waits_for: 'text',
   })}`,
);
export const NOTE_GIVEN_UP = statement(
  'log.note_given_up',
  `insert into log.dead_letter_actions (dead_letter, at, action, actor, detail)
   select id, $4::timestamptz, 'dead_lettered', actor, detail
   from ${batchRows('given_up', { id: 'uuid', actor: 'text', detail: 'text' })}`,
);

/** What of it is open, by the index on the work; no lock. */
export const FIND_WORK = statement(
  'log.find_given_up_work',
  `select d.id, d.consumer_group as "group", d.tenant, d.work from ${batchRows('wanted', { tenant: 'text', work: 'text' })}
   cross join lateral (
     select * from log.dead_letters d
     where d.work = wanted.work and d.state = 'open' and d.tenant = wanted.tenant offset 0
   ) d
   order by d.id`,
);
/** They are locked, and may have been resolved before that; by primary key. */
export const RESOLVE_WORK = statement(
  'log.resolve_given_up_work',
  `with resolved as (
     update log.dead_letters d
     set state = 'replayed', resolved_at = $4::timestamptz, replayed_as = v.replayed_as, waits_for = null
     from ${batchRows('v', { id: 'uuid', actor: 'text', replayed_as: 'text' })}
     cross join lateral (
       select t.ctid from log.dead_letters t where t.id = v.id offset 0
     ) as found(at)
     where d.ctid = found.at and d.resolved_at is null
     returning d.id, v.actor
   )
   insert into log.dead_letter_actions (dead_letter, at, action, actor)
   select id, $4::timestamptz, 'replayed', actor from resolved`,
);

/** Sends them. Whoever commits it tells of them (`tellBuried`). */
export function buryGivenUp(
  tx: Transaction,
  letters: readonly GivenUp[],
  now: EpochMs,
): readonly BuriedWork[] {
  if (letters.length === 0) return [];
  const buried = letters.map((letter) => ({ ...letter, id: newId('dlt') }));
  const ids = uuidArray(buried.map(({ id }) => uuidOf(id)));
  const groups = textArray(letters.map(({ group }) => group));
  const errors = textArray(letters.map(({ failure }) => storable(failure.text)));
  tx.run(INSERT_GIVEN_UP, [
    ids,
    groups,
    int2Array(letters.map(({ event }) => event.partition)),
    textArray(letters.map(({ event }) => event.topic)),
    int8Array(letters.map(({ event }) => BigInt(event.position))),
    textArray(letters.map(({ event }) => event.tenant)),
    textArray(letters.map(({ event }) => event.subject)),
    textArray(letters.map(({ event }) => event.type)),
    int2Array(letters.map(({ event }) => event.version)),
    textArray(letters.map(({ failure }) => failure.code)),
    errors,
    int4Array(letters.map(({ attempts }) => Math.max(1, attempts))),
    timestamptzArray(letters.map(({ firstAt }) => firstAt)),
    textArray(letters.map(({ target }) => target)),
    textArray(letters.map(({ work }) => work)),
    int2Array(letters.map(({ failure }) => failure.status)),
    textArray(letters.map(({ waitsFor }) => waitsFor)),
    new Date(now),
  ]);
  tx.run(NOTE_GIVEN_UP, [ids, groups, errors, new Date(now)]);
  return buried;
}

export function tellBuried(
  observer: Pick<BatchObserver, 'deadLettered'>,
  buried: readonly BuriedWork[],
): void {
  for (const { group, ...letter } of buried) observer.deadLettered?.(group, letter);
}

export interface OpenWork {
  /** The uuid of the dead letter. */
  readonly id: string;
  readonly group: string;
  readonly tenant: string;
  readonly work: string;
}

/** Without a lock: for who holds one on what they are about. */
export async function findOpenWork(
  tx: Transaction,
  wanted: readonly Pick<OpenWork, 'tenant' | 'work'>[],
): Promise<readonly OpenWork[]> {
  if (wanted.length === 0) return [];
  return tx.query<OpenWork>(FIND_WORK, [
    textArray(wanted.map(({ tenant }) => tenant)),
    textArray(wanted.map(({ work }) => work)),
  ]);
}

/**
 * The open dead letters about what a person has tried again by its service's own route. They are locked before what they are
 * about (R3), ascending.
 */
export async function lockOpenWork(
  tx: Transaction,
  wanted: readonly Pick<OpenWork, 'tenant' | 'work'>[],
): Promise<readonly OpenWork[]> {
  const found = await findOpenWork(tx, wanted);
  if (found.length === 0) return [];
  tx.run(LOCK_LETTERS, [uuidArray(found.map(({ id }) => id)), textArray(found.map(({ tenant }) => tenant))]);
  return found;
}

export interface ResolvedWork {
  readonly id: string;
  readonly actor: string;
  readonly replayedAs: string | null;
}

/** Of those that are locked, what is open still. */
export function resolveWork(tx: Transaction, resolved: readonly ResolvedWork[], now: EpochMs): void {
  if (resolved.length === 0) return;
  tx.run(RESOLVE_WORK, [
    uuidArray(resolved.map(({ id }) => id)),
    textArray(resolved.map(({ actor }) => actor)),
    textArray(resolved.map(({ replayedAs }) => replayedAs)),
    new Date(now),
  ]);
}
