/** What is read of received webhooks without a lock. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import {
  conditionsOver,
  LOOKED_THROUGH_MAX,
  lookThrough,
  type Search,
} from '#platform/postgres/look-through.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { PageOf } from '../reads.ts';
import type { HookVerdict } from './hook-store.ts';

export interface HookFilter {
  readonly connector?: string;
  readonly verdict?: string;
}

export interface HookRows {
  readonly hooks: readonly StoredHook[];
  /** The uuid of the one before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

export interface StoredHook {
  readonly uuid: string;
  readonly connector: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly verdict: HookVerdict;
  readonly integration: string | null;
  readonly correlationId: string;
  readonly receivedAt: EpochMs;
}

interface HookRow {
  id: string;
  connector: string;
  headers: string;
  body: Buffer;
  verdict: HookVerdict;
  integration: string | null;
  correlation_id: string;
  received_at: EpochMs;
}

/** A webhook may have 256 KiB, and headers: a page of the largest would be a tenth of the memory that there is. */
const PAGE_MAX_BYTES = 1024 * 1024;

interface SizedHook {
  id: string;
  bytes: number;
}

/** Up to so many bytes; one at least. */
function withinPage(found: readonly SizedHook[]): readonly SizedHook[] {
  let bytes = 0;
  const firstBeyond = found.findIndex((each) => {
    bytes += each.bytes;
    return bytes - each.bytes >= PAGE_MAX_BYTES;
  });
  return firstBeyond === -1 ? found : found.slice(0, firstBeyond);
}

export class HookReads {
  readonly #reader: Reader;
  readonly #lookedThroughMax: number;

  constructor(reader: Reader, lookedThroughMax = LOOKED_THROUGH_MAX) {
    this.#reader = reader;
    this.#lookedThroughMax = lookedThroughMax;
  }

  /** By primary key. */
  async find(tenant: string, uuid: string): Promise<StoredHook | undefined> {
    const [row] = await this.#reader.query<HookRow>(
      'select * from hub.received_hooks where tenant = $1 and id = $2',
      [tenant, uuid],
    );
    return row === undefined ? undefined : hookOf(row);
  }

  /** Newest first; by primary key, or by the index on the connector. */
  async list(tenant: string, filter: HookFilter, { before, limit }: PageOf): Promise<HookRows> {
    const search = hooksFor(tenant, filter, before);
    const bounds = { limit, lookedThroughMax: this.#lookedThroughMax };
    const { found, last } = await lookThrough<SizedHook>(this.#reader, search, bounds);
    const shown = withinPage(found);
    const hooks = await this.#load(tenant, shown);
    return { hooks, next: shown.length < found.length ? shown.at(-1)?.id : last?.id };
  }

  /** By primary key, in their order. */
  async #load(tenant: string, sized: readonly SizedHook[]): Promise<StoredHook[]> {
    if (sized.length === 0) return [];
    const rows = await this.#reader.query<HookRow>(
      'select h.* from hub.received_hooks h where h.tenant = $1 and h.id = any ($2::uuid[]) order by h.id desc',
      [tenant, sized.map(({ id }) => id)],
    );
    return rows.map(hookOf);
  }
}

function hooksFor(tenant: string, { connector, verdict }: HookFilter, before: string | undefined): Search {
  const values: unknown[] = [];
  const where = conditionsOver(values);
  return {
    columns: 'h.id, octet_length(h.body) + octet_length(h.headers) as bytes',
    from: 'hub.received_hooks h',
    alias: 'h',
    keys: [
      ...where('h.tenant = ?', tenant),
      ...where('h.id < ?', before),
      ...where('h.connector = ?', connector),
    ],
    matches: where('h.verdict = ?', verdict),
    walked: ['h.id'],
    values,
  };
}

function hookOf(row: HookRow): StoredHook {
  return {
    uuid: row.id,
    connector: row.connector,
    headers: JSON.parse(row.headers) as Record<string, string>,
    body: row.body,
    verdict: row.verdict,
    integration: row.integration,
    correlationId: row.correlation_id,
    receivedAt: row.received_at,
  };
}

export function renderHook(hook: StoredHook): JsonObject {
  return {
    id: idOf('hok', hook.uuid),
    connector: hook.connector,
    verdict: hook.verdict,
    headers: { ...hook.headers },
    body: hook.body.toString('utf8').replaceAll('\0', '').toWellFormed(),
    integration_id: hook.integration === null ? null : idOf('int', hook.integration),
    correlation_id: hook.correlationId,
    received_at: toRfc3339(hook.receivedAt),
  };
}
