/** What is being undone because somebody asked, so that the sweep looks at it again though it had ended. */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { IntegrationRef } from '../integration.ts';
import { PAGE } from './overdue-store.ts';

/** Under the integrations' locks, in the commit that has them undone. */
export const NOTE_UNDOINGS = statement(
  'hub.note_undoings',
  `insert into hub.undoings (integration, tenant, since)
   select integration, tenant, $3::timestamptz from ${batchRows('v', { integration: 'uuid', tenant: 'text' })}
   on conflict (integration) do update set since = excluded.since`,
);

/** The oldest behind a place. No lock; by the index on since when. */
export const FIND_UNDOINGS = statement(
  'hub.find_undoings',
  `select u.tenant, u.integration, u.since from hub.undoings u
   where (u.since, u.integration) > ($1::timestamptz, $2::uuid) and u.since <= $3::timestamptz
   order by u.since, u.integration limit ${PAGE}`,
);

/** Not what was asked for anew meanwhile. By the index on both. */
export const FORGET_UNDOINGS = statement(
  'hub.forget_undoings',
  `delete from hub.undoings u
   using ${batchRows('v', { integration: 'uuid', since: 'timestamptz' })}
   cross join lateral (
     select t.ctid from hub.undoings t where t.integration = v.integration and t.since = v.since offset 0
   ) as found(at)
   where u.ctid = found.at`,
);

export interface Undoing extends IntegrationRef {
  readonly since: EpochMs;
}

/** Before all of them. */
export const FIRST_UNDOING: Pick<Undoing, 'uuid' | 'since'> = {
  uuid: '00000000-0000-0000-0000-000000000000',
  since: 0,
};

export function noteUndoings(tx: Transaction, undoing: readonly IntegrationRef[], now: EpochMs): void {
  if (undoing.length === 0) return;
  const uuids = uuidArray(undoing.map(({ uuid }) => uuid));
  tx.run(NOTE_UNDOINGS, [uuids, textArray(undoing.map(({ tenant }) => tenant)), new Date(now)]);
}

export async function findUndoings(
  session: Session,
  after: Pick<Undoing, 'uuid' | 'since'>,
  until: EpochMs,
): Promise<Undoing[]> {
  const rows = await session.query<{ tenant: string; integration: string; since: EpochMs }>(FIND_UNDOINGS, [
    new Date(after.since),
    after.uuid,
    new Date(until),
  ]);
  return rows.map(({ tenant, integration: uuid, since }) => ({ tenant, uuid, since }));
}

export async function forgetUndoings(
  session: Session,
  ended: readonly Pick<Undoing, 'uuid' | 'since'>[],
): Promise<void> {
  if (ended.length === 0) return;
  await session.query(FORGET_UNDOINGS, [
    uuidArray(ended.map(({ uuid }) => uuid)),
    timestamptzArray(ended.map(({ since }) => since)),
  ]);
}
