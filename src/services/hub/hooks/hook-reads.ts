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
    const { found, last } = await lookThrough<HookRow>(this.#reader, search, bounds);
    return { hooks: found.map(hookOf), next: last?.id };
  }
}

function hooksFor(tenant: string, { connector, verdict }: HookFilter, before: string | undefined): Search {
  const values: unknown[] = [];
  const where = conditionsOver(values);
  return {
    columns: 'h.*',
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
