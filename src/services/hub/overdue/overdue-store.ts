/** What the sweep of overdue stages reads. No locks of its own. */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { INTEGRATION_STATUSES, type IntegrationRef, isEnded } from '../integration.ts';
import type { PositionOf, Standing } from './overdue-stage.ts';

/** Of a look. */
export const PAGE = 500;

const UNDER_WAY = INTEGRATION_STATUSES.filter((status) => !isEnded(status));

/**
 * Those that have not ended, of the ones begun within a time: by the primary key, one stretch of it for each tenant (a loose
 * scan). Each integration is read so once.
 */
export const FIND_BEGUN = statement(
  'hub.find_begun_and_standing',
  `with recursive tenants(tenant) as (
     (select i.tenant from hub.integrations i where i.tenant > '' order by i.tenant, i.id limit 1)
     union all
     select n.tenant from tenants t cross join lateral (
       select i.tenant from hub.integrations i where i.tenant > t.tenant order by i.tenant, i.id limit 1
     ) n
   )
   select i.tenant, i.id from tenants t
   cross join lateral (
     select * from hub.integrations i
     where i.tenant = t.tenant and i.id > $1::uuid and i.id <= $2::uuid and i.status = any ($3::text[]) offset 0
   ) i
   order by i.id limit ${PAGE}`,
);

/** Each as it stands: the integration and its calls by primary key, its last event by the index on subjects. */
export const READ_STANDING = statement(
  'hub.read_standing',
  `select wanted.tenant, wanted.id, i.status, e.type, e.partition, e.position, e.occurred_at,
     exists (select from hub.calls c where c.integration = wanted.id and c.state <> 'done' offset 0) as is_calling
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid', subject: 'text' })}
   cross join lateral (
     select * from hub.integrations i where i.tenant = wanted.tenant and i.id = wanted.id offset 0
   ) i
   cross join lateral (
     select * from hub.events e where e.subject = wanted.subject and e.tenant = wanted.tenant
     order by e.position desc limit 1
   ) e`,
);

/** Some hundred rows. */
export const READ_POSITIONS = statement(
  'hub.read_positions',
  `select p.consumer_group, p.partition, p.position from log.positions p where p.topic = 'hub'`,
);

interface StandingRow {
  readonly tenant: string;
  readonly id: string;
  readonly status: string;
  readonly type: string;
  readonly partition: number;
  readonly position: bigint;
  readonly occurred_at: EpochMs;
  readonly is_calling: boolean;
}

export async function findBegun(session: Session, after: string, upTo: string): Promise<IntegrationRef[]> {
  const rows = await session.query<{ tenant: string; id: string }>(FIND_BEGUN, [
    after,
    upTo,
    textArray(UNDER_WAY),
  ]);
  return rows.map(({ tenant, id: uuid }) => ({ tenant, uuid }));
}

export async function readStanding(
  session: Pick<Session, 'query'> | Pick<Transaction, 'query'>,
  refs: readonly IntegrationRef[],
): Promise<(Standing & IntegrationRef)[]> {
  const rows = await session.query<StandingRow>(READ_STANDING, [
    textArray(refs.map(({ tenant }) => tenant)),
    uuidArray(refs.map(({ uuid }) => uuid)),
    textArray(refs.map(({ uuid }) => idOf('int', uuid))),
  ]);
  return rows.map(({ tenant, id: uuid, status, is_calling: isCalling, ...event }) => {
    const { type, partition, position, occurred_at: occurredAt } = event;
    return {
      tenant,
      uuid,
      status,
      isCalling,
      event: { type, partition, position: Number(position), occurredAt },
    };
  });
}

/** Before what is judged by them: an answer that a group gave is there then. */
export async function readPositions(session: Session): Promise<PositionOf> {
  const rows = await session.query<{ consumer_group: string; partition: number; position: bigint }>(
    READ_POSITIONS,
    [],
  );
  const positions = new Map(
    rows.map((row) => [`${row.consumer_group} ${row.partition}`, Number(row.position)]),
  );
  return (group, partition) => positions.get(`${group} ${partition}`) ?? 0;
}
