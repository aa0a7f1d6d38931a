import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { readTimeline, renderTimelineEvent } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { CallTry } from './calls/call.ts';
import { type Integration, renderIntegration } from './integration.ts';
import { judgeIntegration } from './judge-integration.ts';
import { type HookVerdict, type IntegrationRow, integrationOf } from './store.ts';

export interface IntegrationFilter {
  readonly connector?: string;
  readonly status?: string;
  readonly correlationId?: string;
}

export interface PageOf {
  /** The uuid of the last one of the page before. */
  readonly before: string | undefined;
  readonly limit: number;
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

interface CallRow {
  step: string;
  destination: string;
  state: string;
  tries: number;
  history: string;
  due_at: EpochMs | null;
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

/** The newest id there can be. */
const LAST_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

export class HubReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** By primary key. */
  async find(tenant: string, uuid: string): Promise<Integration | undefined> {
    const [row] = await this.#reader.query<IntegrationRow>(
      'select * from hub.integrations where tenant = $1 and id = $2',
      [tenant, uuid],
    );
    return row === undefined ? undefined : integrationOf(row);
  }

  /** Newest first; by primary key, or by the index on the connector or the correlation id. */
  async list(tenant: string, filter: IntegrationFilter, page: PageOf): Promise<Integration[]> {
    const rows = await this.#reader.query<IntegrationRow>(
      `select * from hub.integrations
       where tenant = $1 and id < $2 and ($3::text is null or connector = $3) and ($4::text is null or status = $4)
         and ($5::text is null or correlation_id = $5)
       order by id desc limit $6`,
      [
        tenant,
        page.before ?? LAST_UUID,
        filter.connector ?? null,
        filter.status ?? null,
        filter.correlationId ?? null,
        page.limit,
      ],
    );
    return rows.map(integrationOf);
  }

  timeline(tenant: string, uuid: string): Promise<LogEvent[]> {
    return readTimeline(this.#reader, ['hub'], { tenant, subject: idOf('int', uuid) });
  }

  /** With its verdict, its way so far, and what it has called. */
  async describe(integration: Integration): Promise<JsonObject> {
    const { tenant, uuid } = integration;
    const [events, calls] = await Promise.all([
      this.timeline(tenant, uuid),
      this.#reader.query<CallRow>(
        `select step, destination, state, tries, history, due_at from hub.calls where integration = $1 order by created_at, step`,
        [uuid],
      ),
    ]);
    return {
      ...renderIntegration(integration),
      ...judgeIntegration(events),
      calls: calls.map(renderCall),
      timeline: events.map(renderTimelineEvent),
    };
  }

  /** Newest first; by primary key. */
  async listHooks(
    tenant: string,
    filter: { readonly connector?: string; readonly verdict?: string },
    page: PageOf,
  ): Promise<StoredHook[]> {
    const rows = await this.#reader.query<HookRow>(
      `select * from hub.received_hooks
       where tenant = $1 and id < $2 and ($3::text is null or connector = $3) and ($4::text is null or verdict = $4)
       order by id desc limit $5`,
      [tenant, page.before ?? LAST_UUID, filter.connector ?? null, filter.verdict ?? null, page.limit],
    );
    return rows.map(hookOf);
  }

  /** By primary key. */
  async findHook(tenant: string, uuid: string): Promise<StoredHook | undefined> {
    const [row] = await this.#reader.query<HookRow>(
      'select * from hub.received_hooks where tenant = $1 and id = $2',
      [tenant, uuid],
    );
    return row === undefined ? undefined : hookOf(row);
  }
}

function renderCall(row: CallRow): JsonObject {
  const tries = JSON.parse(row.history) as CallTry[];
  return {
    step: row.step,
    destination: row.destination,
    state: row.state,
    tries: row.tries,
    next_try_at: row.state === 'waiting' && row.due_at !== null ? toRfc3339(row.due_at) : null,
    history: tries.map((each) => ({ ...each, at: toRfc3339(each.at) })),
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
