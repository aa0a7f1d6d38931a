/** Endpoints: as batches read and change them, and as their owners do. */
import type { EpochMs } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import { ENDPOINT_COLUMNS, type Endpoint, type EndpointRow, endpointOf } from './endpoint.ts';
import type { Scheme } from './signature.ts';

/** By the index on tenants. Without those for callbacks, of which there may be many. */
export const FIND_ENDPOINTS_OF = statement(
  'notification.find_endpoints_of',
  `select ${ENDPOINT_COLUMNS} from ${batchRows('wanted', { tenant: 'text' })}
   cross join lateral (
     select * from notification.endpoints e
     where e.tenant = wanted.tenant and e.kind = 'endpoint' and e.status <> 'deleted' offset 0
   ) e`,
);

/** By the unique index of callbacks; in its order, so that two batches that make the same wait for each other alike. */
export const ENSURE_CALLBACKS = statement(
  'notification.ensure_callbacks',
  `insert into notification.endpoints
     (id, tenant, kind, url, events, signature, secret_version, status, created_at, updated_at)
   select id, tenant, 'callback', url, '{}', 'v1', 1, 'enabled', $4::timestamptz, $4::timestamptz
   from ${batchRows('v', { id: 'uuid', tenant: 'text', url: 'text' })}
   on conflict (tenant, url) where kind = 'callback' do nothing`,
);

/** By the unique index of callbacks. */
export const FIND_CALLBACKS = statement(
  'notification.find_callbacks',
  `select ${ENDPOINT_COLUMNS} from ${batchRows('wanted', { tenant: 'text', url: 'text' })}
   cross join lateral (
     select * from notification.endpoints e
     where e.tenant = wanted.tenant and e.url = wanted.url and e.kind = 'callback' offset 0
   ) e`,
);

export async function findEndpointsOf(tx: Transaction, tenants: readonly string[]): Promise<Endpoint[]> {
  const rows = await tx.query<EndpointRow>(FIND_ENDPOINTS_OF, [textArray(tenants)]);
  return rows.map(endpointOf);
}

/** By the index on tenants. */
export const COUNT_ENDPOINTS = statement(
  'notification.count_endpoints',
  `select count(*)::integer as count from notification.endpoints e
   where e.tenant = $1::text and e.kind = 'endpoint' and e.status <> 'deleted'`,
);

export const INSERT_ENDPOINT = statement(
  'notification.insert_endpoint',
  `insert into notification.endpoints as e
     (id, tenant, kind, url, events, description, signature, automatic_replay, secret_version, status, created_at, updated_at)
   values ($1::uuid, $2::text, 'endpoint', $3::text, $4::text[], $5::text, $6::text, $7::boolean, 1, 'enabled',
     $8::timestamptz, $8::timestamptz)
   returning ${ENDPOINT_COLUMNS}`,
);

/** By the index on tenants. */
export const NOTE_NEW_SECRET = statement(
  'notification.note_new_secret',
  `update notification.endpoints e set secret_version = e.secret_version + 1, updated_at = $3::timestamptz
   where e.tenant = $1::text and e.id = $2::uuid`,
);

export async function countEndpoints(tx: Transaction, tenant: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(COUNT_ENDPOINTS, [tenant]);
  return row?.count ?? 0;
}

export async function insertEndpoint(
  tx: Transaction,
  endpoint: NewEndpoint,
  now: EpochMs,
): Promise<Endpoint> {
  const { uuid, tenant, url, events, description, signature, automaticReplay } = endpoint;
  const values = [
    uuid,
    tenant,
    url,
    textArray(events),
    description,
    signature,
    automaticReplay,
    new Date(now),
  ];
  const rows = await tx.query<EndpointRow>(INSERT_ENDPOINT, values);
  return endpointOf(rows[0] as EndpointRow);
}

/** Its secrets in the vault are others now. */
export function noteNewSecret(
  tx: Transaction,
  { tenant, uuid }: { readonly tenant: string; readonly uuid: string },
  now: EpochMs,
): void {
  tx.run(NOTE_NEW_SECRET, [tenant, uuid, new Date(now)]);
}

interface CallbackTarget {
  readonly tenant: string;
  readonly url: string;
}

export async function ensureCallbackEndpoints(
  tx: Transaction,
  targets: readonly CallbackTarget[],
  now: EpochMs,
): Promise<Endpoint[]> {
  if (targets.length === 0) return [];
  const distinct = [...new Map(targets.map((target) => [JSON.stringify(target), target])).values()].sort(
    (a, b) => (`${a.tenant}\n${a.url}` < `${b.tenant}\n${b.url}` ? -1 : 1),
  );
  const tenants = textArray(distinct.map(({ tenant }) => tenant));
  const urls = textArray(distinct.map(({ url }) => url));
  tx.run(ENSURE_CALLBACKS, [
    uuidArray(distinct.map(() => uuidOf(newId('whe')))),
    tenants,
    urls,
    new Date(now),
  ]);
  const rows = await tx.query<EndpointRow>(FIND_CALLBACKS, [tenants, urls]);
  return rows.map(endpointOf);
}

export interface NewEndpoint {
  readonly uuid: string;
  readonly tenant: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string | null;
  readonly signature: Scheme;
  readonly automaticReplay: boolean;
}

export interface EndpointChange {
  readonly url?: string;
  readonly events?: readonly string[];
  readonly description?: string | null;
  readonly automatic_replay?: boolean;
  readonly status?: 'enabled' | 'disabled';
}

/** Each by one statement of its own; by the index on tenants. */
export class EndpointDesk {
  readonly #db: Reader;

  constructor(db: Reader) {
    this.#db = db;
  }

  async find(tenant: string, uuid: string): Promise<Endpoint | undefined> {
    const rows = await this.#db.query<EndpointRow>(
      `select ${ENDPOINT_COLUMNS} from notification.endpoints e
       where e.tenant = $1 and e.id = $2 and e.kind = 'endpoint' and e.status <> 'deleted'`,
      [tenant, uuid],
    );
    return rows.map(endpointOf)[0];
  }

  /** Newest first, before the id. */
  async list(tenant: string, before: string | undefined, limit: number): Promise<Endpoint[]> {
    const rows = await this.#db.query<EndpointRow>(
      `select ${ENDPOINT_COLUMNS} from notification.endpoints e
       where e.tenant = $1 and ($2::uuid is null or e.id < $2) and e.kind = 'endpoint' and e.status <> 'deleted'
       order by e.id desc limit $3`,
      [tenant, before ?? null, limit],
    );
    return rows.map(endpointOf);
  }

  /** Enabling it forgets that it was failing. Undefined if there is none. */
  async change(
    tenant: string,
    uuid: string,
    change: EndpointChange,
    now: EpochMs,
  ): Promise<Endpoint | undefined> {
    const { url = null, events = null, description, automatic_replay = null, status = null } = change;
    const rows = await this.#db.query<EndpointRow>(
      `update notification.endpoints e
       set url = coalesce($3, e.url), events = coalesce($4, e.events),
         description = case when $5 then $6 else e.description end, status = coalesce($7, e.status),
         automatic_replay = coalesce($9, e.automatic_replay),
         disabled_reason = case $7 when 'disabled' then 'requested' when 'enabled' then null else e.disabled_reason end,
         failing_since = case when $7 = 'enabled' then null else e.failing_since end, updated_at = $8
       where e.tenant = $1 and e.id = $2 and e.kind = 'endpoint' and e.status <> 'deleted'
       returning ${ENDPOINT_COLUMNS}`,
      [
        tenant,
        uuid,
        url,
        events,
        description !== undefined,
        description ?? null,
        status,
        new Date(now),
        automatic_replay,
      ],
    );
    return rows.map(endpointOf)[0];
  }

  /** What waits for it is not sent; what was sent stays to be read by nobody. */
  async remove(tenant: string, uuid: string, now: EpochMs): Promise<boolean> {
    const rows = await this.#db.query(
      `update notification.endpoints e set status = 'deleted', updated_at = $3
       where e.tenant = $1 and e.id = $2 and e.kind = 'endpoint' and e.status <> 'deleted' returning 1 as removed`,
      [tenant, uuid, new Date(now)],
    );
    return rows.length > 0;
  }
}
