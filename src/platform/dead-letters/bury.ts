/**
 * Making an event a dead letter of its group: its key is parked in the same transaction, which holds the group's positions
 * and moves a turn of them.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { Fault, InvariantViolation } from '#kernel/fault.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '../log/event.ts';
import { LogGap } from '../log/event-log.ts';
import { DatabaseFault } from '../postgres/faults.ts';
import { statement, type Transaction } from '../postgres/session.ts';

/**
 * An event that fails alone so often, by what is in it, is a dead letter. More than one, so that two requests that met, or a
 * state that was about to change, are not taken for its fault.
 */
export const STRIKES_MAX = 3;

/**
 * Keys that a group may park within a minute. Events that cannot be handled are single ones; when it rains them, the program
 * or a table is at fault, and what was parked would have to be replayed by hand. Beyond this an event that fails holds its
 * partition up and is tried again, as when the database refuses everything.
 */
export const PARKED_PER_MINUTE_MAX = 30;

/**
 * Keys that a group may have parked at a time: every process holds those of its groups in memory, and reads them again after
 * every failure (some 20 ms for so many).
 */
export const PARKED_MAX = 10_000;

/** Enough for any message of ours; a driver may quote a whole row. */
const ERROR_MAX_CHARACTERS = 2000;

/** Of the group's (few) keys: by the primary key's prefix. */
export const COUNT_PARKED = statement(
  'log.count_parked',
  `select count(*)::integer as count,
          (count(*) filter (where parked_at > now() - interval '1 minute'))::integer as just_parked
   from log.parked_keys where consumer_group = $1`,
);

export const INSERT_DEAD_LETTER = statement(
  'log.insert_dead_letter',
  `insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                 error_code, error, attempts, state, failed_first_at, failed_last_at)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'open', $14, $15)`,
);

/** A key that is parked already is one whose next event has failed: it stays parked, behind another dead letter. */
export const PARK_KEY = statement(
  'log.park_key',
  `insert into log.parked_keys (consumer_group, partition, parking_key, dead_letter, topic, position, parked_at)
   values ($1, $2, $3, $4, $5, $6, now())
   on conflict (consumer_group, partition, parking_key) do update
   set dead_letter = excluded.dead_letter, topic = excluded.topic, position = excluded.position
   where parked_keys.dead_letter is null`,
);

export const NOTE_ACTION = statement(
  'log.note_dead_letter_action',
  `insert into log.dead_letter_actions (dead_letter, at, action, actor, reason, data_after, detail)
   values ($1, $2, $3, $4, $5, $6, $7)`,
);

/** What an event failed with, as it is kept. */
export interface Failure {
  readonly code: string;
  readonly text: string;
}

/** What is known of an event that nobody can read any more. */
export type BuriedEvent = Pick<
  LogEvent,
  'topic' | 'partition' | 'position' | 'tenant' | 'subject' | 'type' | 'version' | 'correlationId'
>;

export interface NewDeadLetter {
  readonly group: string;
  readonly parkingKey: string;
  readonly event: BuriedEvent;
  readonly failure: Failure;
  readonly attempts: number;
  readonly firstAt: EpochMs;
  readonly now: EpochMs;
}

/**
 * Whether what was thrown is the event's fault: data that the database refuses (R6), or what a consumer's own code throws.
 * Everything else is the world's, and holds the event up until the world is mended.
 */
export function isFaultOfEvent(error: unknown): boolean {
  if (error instanceof DatabaseFault) return error.causedByData;
  return !(error instanceof Fault) && !(error instanceof LogGap);
}

/** A log that lacks what a dead letter is about goes by the name of what is wrong, and not of what is thrown for it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof LogGap) return { code: LogGap.name, text: storable(error.message) };
  if (error instanceof DatabaseFault)
    return { code: error.state ?? 'connection', text: storable(error.message) };
  if (error instanceof Error) return { code: storable(error.name), text: storable(error.message) };
  return { code: 'unknown', text: storable(String(error)) };
}

export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed().slice(0, ERROR_MAX_CHARACTERS).toWellFormed();
}

/** Whether one more key of the group may be parked now. */
export async function mayPark(tx: Transaction, group: string): Promise<boolean> {
  const [row] = await tx.query<{ count: number; just_parked: number }>(COUNT_PARKED, [group]);
  if (row === undefined) throw new InvariantViolation('a count without a row');
  return row.just_parked < PARKED_PER_MINUTE_MAX && row.count < PARKED_MAX;
}

/** Sends it; returns the dead letter's id. */
export function bury(tx: Transaction, letter: NewDeadLetter): string {
  const { group, parkingKey, event, failure, attempts, firstAt, now } = letter;
  const id = newId('dlt');
  const uuid = uuidOf(id);
  tx.run(INSERT_DEAD_LETTER, [
    uuid,
    group,
    event.partition,
    parkingKey,
    event.topic,
    event.position,
    event.tenant,
    event.subject,
    event.type,
    event.version,
    failure.code,
    failure.text,
    attempts,
    new Date(firstAt),
    new Date(now),
  ]);
  tx.run(PARK_KEY, [group, event.partition, parkingKey, uuid, event.topic, event.position]);
  noteAction(tx, { deadLetter: uuid, at: now, action: 'dead_lettered', actor: group, detail: failure.text });
  return id;
}

export interface DeadLetterAction {
  /** Its uuid. */
  readonly deadLetter: string;
  readonly at: EpochMs;
  readonly action: 'dead_lettered' | 'replayed' | 'replay_failed' | 'skipped' | 'discarded' | 'passed_behind';
  readonly actor: string;
  readonly reason?: string | null;
  readonly dataAfter?: string | null;
  readonly detail?: string | null;
}

export function noteAction(tx: Transaction, action: DeadLetterAction): void {
  tx.run(NOTE_ACTION, [
    action.deadLetter,
    new Date(action.at),
    action.action,
    action.actor,
    action.reason ?? null,
    action.dataAfter ?? null,
    action.detail ?? null,
  ]);
}
