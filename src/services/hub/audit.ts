/** What the hub's table of integrations holds, for who proves it against the log; see the ledger's audit. */
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { INTEGRATION_STATUSES, type IntegrationRef, isEnded } from './integration.ts';

const INTEGRATIONS: Comparison = {
  key: { tenant: 'text', id: 'uuid' },
  columns: {
    connector: 'text',
    connector_version: 'bigint',
    entry: 'text',
    status: 'text',
    origin: 'uuid',
    replay_of: 'uuid',
    failure_step: 'text',
    failure_code: 'text',
    failure_detail: 'text',
    reference: 'text',
    correlation_id: 'text',
    created_at: 'instant',
    updated_at: 'instant',
  },
  actual: `select i.connector, i.connector_version::bigint, i.entry, i.status, i.origin, i.replay_of, i.failure_step, i.failure_code,
                  i.failure_detail, i.reference, i.correlation_id, i.created_at, i.updated_at
           from hub.integrations i where i.tenant = expected.tenant and i.id = expected.id`,
};

/** How an integration stands that may be forgotten: no dead letter names it, and nothing is done about it any more. */
const FORGETTABLE: ReadonlySet<unknown> = new Set(['delivered', 'refused', 'undone']);

/** Integrations that are missing or other than expected; by primary key. Those that were forgotten may be missing. */
export async function differingIntegrations(
  reader: Reader,
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  const forgotten = await listForgotten(
    reader,
    expected.filter(({ status }) => FORGETTABLE.has(status)),
  );
  const kept = expected.filter(({ tenant, id }) => !forgotten.has(`${tenant} ${id}`));
  return compareLookups(reader, INTEGRATIONS, kept);
}

/** Those of the rows that an operator has had removed (docs/growth.md), as `<tenant> <uuid>`. By the primary keys of both tables. */
async function listForgotten(reader: Reader, ended: readonly ExpectedRow[]): Promise<ReadonlySet<string>> {
  if (ended.length === 0) return new Set();
  const rows = await reader.query<{ tenant: string; id: string }>(
    `select gone.tenant, gone.id
     from (select * from unnest($1::text[], $2::uuid[]) as ended(tenant, id)) as gone
     cross join lateral (select from hub.forgotten f where f.tenant = gone.tenant and gone.id < f.before offset 0) as f
     left join lateral (select true as kept from hub.integrations i where i.tenant = gone.tenant and i.id = gone.id offset 0) as i
       on true
     where i.kept is null`,
    [ended.map(({ tenant }) => tenant), ended.map(({ id }) => id)],
  );
  return new Set(rows.map(({ tenant, id }) => `${tenant} ${id}`));
}

export interface AuditedIntegration extends IntegrationRef {
  /** It is under way and waits for a call, and nothing is ever done about that, or not before it is far too late. */
  readonly isStalled: boolean;
}

const UNDER_WAY = INTEGRATION_STATUSES.filter((status) => !isEnded(status));
/** The longest that a connector may have its calls tried (`connector-schemas.ts`), and a day for clocks that differ. */
const TRIED_DAYS_MAX = 8;

/** In the order of the primary key, after `after`; the calls of what is under way by theirs. */
export function listIntegrationRefs(
  reader: Reader,
  after: IntegrationRef | undefined,
  limit: number,
): Promise<AuditedIntegration[]> {
  return reader.query<AuditedIntegration>(
    `select i.tenant, i.id as uuid, case when i.status = any ($4::text[]) then exists (
              select from hub.calls c
              where c.integration = i.id and c.state <> 'done'
                and (c.due_at is null or c.due_at > greatest(c.give_up_at, now()) + interval '1 day'
                     or c.give_up_at > greatest(c.created_at, now()) + interval '${TRIED_DAYS_MAX} days') offset 0
            ) else false end as "isStalled"
     from hub.integrations i
     where $1::text is null or (i.tenant, i.id) > ($1, $2::uuid) order by i.tenant, i.id limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit, UNDER_WAY],
  );
}
