/** What the hub's table of integrations holds, for who proves it against the log; see the ledger's audit. */
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { IntegrationRef } from './integration.ts';

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

/** Integrations that are missing or other than expected; by primary key. */
export function differingIntegrations(
  reader: Reader,
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareLookups(reader, INTEGRATIONS, expected);
}

/** In the order of the primary key, after `after`. */
export function listIntegrationRefs(
  reader: Reader,
  after: IntegrationRef | undefined,
  limit: number,
): Promise<IntegrationRef[]> {
  return reader.query<IntegrationRef>(
    `select i.tenant, i.id as uuid from hub.integrations i
     where $1::text is null or (i.tenant, i.id) > ($1, $2::uuid) order by i.tenant, i.id limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit],
  );
}
