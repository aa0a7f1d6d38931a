/** The statements about connectors and integrations; those about calls and webhooks are in calls/call-store.ts and hooks/hook-store.ts. */
import type { EpochMs } from '#kernel/clock.ts';
import { type IntegrationId, idOf, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { decodeEvent, EVENT_COLUMNS, type EventRow } from '#platform/log/event-log.ts';
import { int4Array, textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import { type ConnectorRef, connectorRef } from './connector.ts';
import type { Entry, StepName } from './events.ts';
import {
  type Integration,
  type IntegrationRef,
  type IntegrationStatus,
  integrationRef,
} from './integration.ts';

/** The newest version of each, by the primary key backwards. No lock: a new version holds for what comes after it. */
export const FIND_CURRENT_CONNECTORS = statement(
  'hub.find_current_connectors',
  `select c.tenant, c.name, c.version, c.entry from ${batchRows('wanted', { tenant: 'text', name: 'text' })}
   cross join lateral (
     select * from hub.connectors c where c.tenant = wanted.tenant and c.name = wanted.name
     order by c.version desc limit 1
   ) c`,
);

/** Two that replace the same version are arbitrated by the primary key, and the loser is decided anew. */
export const INSERT_CONNECTORS = statement(
  'hub.insert_connectors',
  `insert into hub.connectors (tenant, name, version, entry, definition, actor, put_at)
   select tenant, name, version, entry, definition, actor, $7::timestamptz
   from ${batchRows('v', { tenant: 'text', name: 'text', version: 'integer', entry: 'text', definition: 'text', actor: 'text' })}`,
);

const INTEGRATION_COLUMNS = `i.tenant, i.id, i.connector, i.connector_version, i.entry, i.status, i.origin, i.replay_of,
  i.failure_step, i.failure_code, i.failure_detail, i.reference, i.correlation_id, i.created_at, i.updated_at`;

/** By primary key. Locks them in the order given, which the caller makes ascending (R3). */
export const LOCK_INTEGRATIONS = statement(
  'hub.lock_integrations',
  `select ${INTEGRATION_COLUMNS} from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from hub.integrations i where i.tenant = wanted.tenant and i.id = wanted.id for no key update offset 0
   ) i`,
);

export const INSERT_INTEGRATIONS = statement(
  'hub.insert_integrations',
  `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, replay_of, correlation_id,
                                 created_at, updated_at)
   select tenant, id, connector, connector_version, entry, 'requested', origin, replay_of, correlation_id,
          $9::timestamptz, $9::timestamptz
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     connector: 'text',
     connector_version: 'integer',
     entry: 'text',
     origin: 'uuid',
     replay_of: 'uuid',
     correlation_id: 'text',
   })}`,
);

/** Under their lock; touches no indexed column (HOT). By primary key. */
export const UPDATE_INTEGRATIONS = statement(
  'hub.update_integrations',
  `update hub.integrations i
   set status = v.status, failure_step = v.failure_step, failure_code = v.failure_code,
       failure_detail = v.failure_detail, reference = coalesce(v.reference, i.reference), updated_at = $8::timestamptz
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     status: 'text',
     failure_step: 'text',
     failure_code: 'text',
     failure_detail: 'text',
     reference: 'text',
   })}
   cross join lateral (
     select t.ctid from hub.integrations t where t.tenant = v.tenant and t.id = v.id offset 0
   ) as found(at)
   where i.ctid = found.at`,
);

/** The last event of each, by the index on subjects: all of one are in one partition. Behind its lock, without which none is added. */
export const FIND_LAST_EVENTS = statement(
  'hub.find_last_events',
  `select ${EVENT_COLUMNS} from ${batchRows('wanted', { tenant: 'text', subject: 'text' })}
   cross join lateral (
     select * from hub.events e where e.subject = wanted.subject and e.tenant = wanted.tenant
     order by e.position desc limit 1
   ) e`,
);

export interface CurrentConnector extends ConnectorRef {
  readonly version: number;
  readonly entry: Entry;
}

/** By `connectorRef`. */
export async function findCurrentConnectors(
  tx: Transaction,
  refs: readonly ConnectorRef[],
): Promise<Map<string, CurrentConnector>> {
  const wanted = [...new Map(refs.map((ref) => [connectorRef(ref), ref])).values()];
  if (wanted.length === 0) return new Map();
  const rows = await tx.query<CurrentConnector>(FIND_CURRENT_CONNECTORS, [
    textArray(wanted.map(({ tenant }) => tenant)),
    textArray(wanted.map(({ name }) => name)),
  ]);
  return new Map(rows.map((row) => [connectorRef(row), row]));
}

export interface ConnectorVersion extends CurrentConnector {
  readonly definition: string;
  readonly actor: string | null;
}

export function insertConnectors(tx: Transaction, versions: readonly ConnectorVersion[], now: EpochMs): void {
  if (versions.length === 0) return;
  tx.run(INSERT_CONNECTORS, [
    textArray(versions.map(({ tenant }) => tenant)),
    textArray(versions.map(({ name }) => name)),
    int4Array(versions.map(({ version }) => version)),
    textArray(versions.map(({ entry }) => entry)),
    textArray(versions.map(({ definition }) => definition)),
    textArray(versions.map(({ actor }) => actor)),
    new Date(now),
  ]);
}

export interface IntegrationRow {
  readonly tenant: string;
  readonly id: string;
  readonly connector: string;
  readonly connector_version: number;
  readonly entry: Entry;
  readonly status: IntegrationStatus;
  readonly origin: string;
  readonly replay_of: string | null;
  readonly failure_step: StepName | null;
  readonly failure_code: string | null;
  readonly failure_detail: string | null;
  readonly reference: string | null;
  readonly correlation_id: string;
  readonly created_at: EpochMs;
  readonly updated_at: EpochMs;
}

export function integrationOf(row: IntegrationRow): Integration {
  const { failure_step: step, failure_code: code, failure_detail: detail } = row;
  return {
    tenant: row.tenant,
    uuid: row.id,
    connector: row.connector,
    connectorVersion: row.connector_version,
    entry: row.entry,
    status: row.status,
    origin: row.origin,
    replayOf: row.replay_of,
    failure: step === null || code === null ? null : { step, code, detail: detail ?? '' },
    reference: row.reference,
    correlationId: row.correlation_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** In ascending order (R3), each once for each tenant that names it: whose it is, is decided here. */
export async function lockIntegrations(
  tx: Transaction,
  refs: readonly IntegrationRef[],
): Promise<Integration[]> {
  const wanted = [...new Map(refs.map((ref) => [`${ref.uuid}/${ref.tenant}`, ref]))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, ref]) => ref);
  if (wanted.length === 0) return [];
  const rows = await tx.query<IntegrationRow>(LOCK_INTEGRATIONS, [
    textArray(wanted.map(({ tenant }) => tenant)),
    uuidArray(wanted.map(({ uuid }) => uuid)),
  ]);
  return rows.map(integrationOf);
}

/** By `integrationRef`. */
export async function findLastEvents(
  tx: Transaction,
  refs: readonly IntegrationRef[],
): Promise<Map<string, LogEvent>> {
  if (refs.length === 0) return new Map();
  const rows = await tx.query<EventRow>(FIND_LAST_EVENTS, [
    textArray(refs.map(({ tenant }) => tenant)),
    textArray(refs.map(({ uuid }) => idOf('int', uuid))),
  ]);
  return new Map(
    rows.map((row) => {
      const uuid = uuidOf(row.subject as IntegrationId);
      return [integrationRef({ tenant: row.tenant, uuid }), decodeEvent('hub', row)];
    }),
  );
}

export function insertIntegrations(tx: Transaction, made: readonly Integration[], now: EpochMs): void {
  if (made.length === 0) return;
  tx.run(INSERT_INTEGRATIONS, [
    textArray(made.map(({ tenant }) => tenant)),
    uuidArray(made.map(({ uuid }) => uuid)),
    textArray(made.map(({ connector }) => connector)),
    int4Array(made.map(({ connectorVersion }) => connectorVersion)),
    textArray(made.map(({ entry }) => entry)),
    uuidArray(made.map(({ origin }) => origin)),
    uuidArray(made.map(({ replayOf }) => replayOf)),
    textArray(made.map(({ correlationId }) => correlationId)),
    new Date(now),
  ]);
}

export function updateIntegrations(
  tx: Transaction,
  changed: readonly Pick<Integration, 'tenant' | 'uuid' | 'status' | 'failure' | 'reference'>[],
  now: EpochMs,
): void {
  if (changed.length === 0) return;
  tx.run(UPDATE_INTEGRATIONS, [
    textArray(changed.map(({ tenant }) => tenant)),
    uuidArray(changed.map(({ uuid }) => uuid)),
    textArray(changed.map(({ status }) => status)),
    textArray(changed.map(({ failure }) => failure?.step ?? null)),
    textArray(changed.map(({ failure }) => failure?.code ?? null)),
    textArray(changed.map(({ failure }) => failure?.detail ?? null)),
    textArray(changed.map(({ reference }) => reference)),
    new Date(now),
  ]);
}
