/** The positions of a batch: locked by its first statement (R1), moved by its last but the appends and the commit. */
import { int2Array, int8Array, textArray } from '../postgres/arrays.ts';
import { type Session, statement, type Transaction } from '../postgres/session.ts';

const READ_POSITIONS = statement(
  'log.positions',
  `select consumer_group as "group", topic, partition, position, turn from log.positions
   where consumer_group = any ($1::text[])`,
);
const LOCK_POSITIONS = statement(
  'log.lock_positions',
  'select log.lock_positions($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::bigint[])',
);
const MOVE_POSITIONS = statement(
  'log.move_positions',
  'select log.move_positions($1::text[], $2::text[], $3::smallint[], $4::bigint[])',
);

/**
 * From the beginning, since nobody knows how far the group had come: what it has handled it handles again without effect
 * (U3). Not where a person had it pass over something for good, which it would then act on. A position that is there
 * stays as it is. By primary keys.
 */
const REMAKE_POSITIONS = statement(
  'log.remake_positions',
  `insert into log.positions (consumer_group, topic, partition, position)
   select $1, lost.topic, lost.partition, 0 from unnest($2::text[], $3::smallint[]) as lost(topic, partition)
   where not exists (
     select from log.abandoned_events a
     where a.consumer_group = $1 and a.topic = lost.topic and a.partition = lost.partition)
   order by lost.topic, lost.partition
   on conflict do nothing`,
);

/** Where a group stands in a topic's partition. */
export interface Place {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  readonly turn: number;
}

/** Of every topic that the groups have ever read. */
export async function readPositions(session: Session, groups: readonly string[]): Promise<Place[]> {
  const rows = await session.query<PositionRow>(READ_POSITIONS, [textArray(groups)]);
  return rows.map((row) => ({ ...row, position: Number(row.position), turn: Number(row.turn) }));
}

interface PositionRow extends Omit<Place, 'position' | 'turn'> {
  readonly position: bigint;
  readonly turn: bigint;
}

/** Those of which it is safe. */
export async function remakePositions(
  session: Session,
  group: string,
  lost: readonly Pick<Place, 'topic' | 'partition'>[],
): Promise<void> {
  await session.query(REMAKE_POSITIONS, [
    group,
    textArray(lost.map(({ topic }) => topic)),
    int2Array(lost.map(({ partition }) => partition)),
  ]);
}

/** Locks the rows, in (group, topic, partition) order; the transaction fails as fenced unless every one is where its place says. */
export function lockPositions(tx: Transaction, places: readonly Place[]): void {
  tx.run(LOCK_POSITIONS, [
    textArray(places.map(({ group }) => group)),
    textArray(places.map(({ topic }) => topic)),
    int2Array(places.map(({ partition }) => partition)),
    int8Array(places.map(({ position }) => position)),
    int8Array(places.map(({ turn }) => turn)),
  ]);
}

/** To the positions given, of rows that are held; each has had its turn, whether it moves or not. */
export function movePositions(tx: Transaction, targets: readonly Omit<Place, 'turn'>[]): void {
  tx.run(MOVE_POSITIONS, [
    textArray(targets.map(({ group }) => group)),
    textArray(targets.map(({ topic }) => topic)),
    int2Array(targets.map(({ partition }) => partition)),
    int8Array(targets.map(({ position }) => position)),
  ]);
}
