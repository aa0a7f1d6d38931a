/** An endpoint of a tenant, as it is kept and as its owner sees it. */
import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Scheme } from './signature.ts';

/**
 * In the place of an endpoint's id: a tenant's callbacks, which share one secret. The endpoints behind them, URLs that requests or
 * cards named, are shown to nobody.
 */
export const CALLBACKS = 'callbacks';

export type DisabledReason = 'requested' | 'gone' | 'failing';

export interface Endpoint {
  readonly key: bigint;
  readonly uuid: string;
  readonly tenant: string;
  readonly kind: 'endpoint' | 'callback';
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string | null;
  readonly signature: Scheme;
  /** Whether what was given up while it was away is sent by itself when it is back. */
  readonly automaticReplay: boolean;
  readonly secretVersion: number;
  readonly status: 'enabled' | 'disabled' | 'deleted';
  readonly disabledReason: DisabledReason | null;
  readonly failingSince: EpochMs | null;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** The highest number of a subject here that may be forgotten (retention.ts). */
  readonly forgottenSequence: number;
}

export interface EndpointRow {
  endpoint_key: bigint;
  id: string;
  tenant: string;
  kind: Endpoint['kind'];
  url: string;
  events: string[];
  description: string | null;
  signature: Scheme;
  automatic_replay: boolean;
  secret_version: number;
  status: Endpoint['status'];
  disabled_reason: DisabledReason | null;
  failing_since: EpochMs | null;
  created_at: EpochMs;
  updated_at: EpochMs;
  forgotten_sequence: number;
}

/** Of a row called `e`. */
export const ENDPOINT_COLUMNS = `e.endpoint_key, e.id, e.tenant, e.kind, e.url, e.events, e.description, e.signature,
  e.automatic_replay, e.secret_version, e.status, e.disabled_reason, e.failing_since, e.created_at, e.updated_at,
  e.forgotten_sequence`;

export function endpointOf(row: EndpointRow): Endpoint {
  return {
    key: row.endpoint_key,
    uuid: row.id,
    tenant: row.tenant,
    kind: row.kind,
    url: row.url,
    events: row.events,
    description: row.description,
    signature: row.signature,
    automaticReplay: row.automatic_replay,
    secretVersion: row.secret_version,
    status: row.status,
    disabledReason: row.disabled_reason,
    failingSince: row.failing_since,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    forgottenSequence: row.forgotten_sequence,
  };
}

export function renderEndpoint(endpoint: Endpoint): JsonObject {
  return {
    id: idOf('whe', endpoint.uuid),
    url: endpoint.url,
    events: endpoint.events,
    description: endpoint.description,
    signature: endpoint.signature,
    automatic_replay: endpoint.automaticReplay,
    status: endpoint.status,
    disabled_reason: endpoint.disabledReason,
    failing_since: toRfc3339OrNull(endpoint.failingSince),
    created_at: toRfc3339(endpoint.createdAt),
    updated_at: toRfc3339(endpoint.updatedAt),
  };
}
