/** What is read of integrations without a lock. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { readTimeline, renderTimelineEvent } from '#platform/log/timeline.ts';
import {
  conditionsOver,
  LOOKED_THROUGH_MAX,
  lookThrough,
  type Search,
} from '#platform/postgres/look-through.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { CallTry } from './calls/call.ts';
import { type Integration, renderIntegration } from './integration.ts';
import { judgeIntegration } from './judge-integration.ts';
import { type IntegrationRow, integrationOf } from './store.ts';

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

export interface IntegrationRows {
  readonly integrations: readonly Integration[];
  /** The uuid of the one before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

interface CallRow {
  step: string;
  destination: string;
  state: string;
  tries: number;
  history: string;
  due_at: EpochMs | null;
}

export class HubReads {
  readonly #reader: Reader;
  readonly #lookedThroughMax: number;

  constructor(reader: Reader, lookedThroughMax = LOOKED_THROUGH_MAX) {
    this.#reader = reader;
    this.#lookedThroughMax = lookedThroughMax;
  }

  /** By primary key. */
  async find(tenant: string, uuid: string): Promise<Integration | undefined> {
    const [row] = await this.#reader.query<IntegrationRow>(
      'select * from hub.integrations where tenant = $1 and id = $2',
      [tenant, uuid],
    );
    return row === undefined ? undefined : integrationOf(row);
  }

  /** Newest first; by primary key, or by the index on the correlation id or the connector. */
  async list(tenant: string, filter: IntegrationFilter, { before, limit }: PageOf): Promise<IntegrationRows> {
    const search = integrationsFor(tenant, filter, before);
    const bounds = { limit, lookedThroughMax: this.#lookedThroughMax };
    const { found, last } = await lookThrough<IntegrationRow>(this.#reader, search, bounds);
    return { integrations: found.map(integrationOf), next: last?.id };
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
}

/** One index at a time: of a correlation id there are the fewest. */
function integrationsFor(
  tenant: string,
  { connector, status, correlationId }: IntegrationFilter,
  before: string | undefined,
): Search {
  const values: unknown[] = [];
  const where = conditionsOver(values);
  const ofConnector = where('i.connector = ?', connector);
  const correlated = where('i.correlation_id = ?', correlationId);
  const place = [...where('i.tenant = ?', tenant), ...where('i.id < ?', before)];
  const [key, compared] = correlated.length > 0 ? [correlated, ofConnector] : [ofConnector, []];
  return {
    columns: 'i.*',
    from: 'hub.integrations i',
    alias: 'i',
    keys: [...place, ...key],
    matches: [...compared, ...where('i.status = ?', status)],
    walked: ['i.id'],
    values,
  };
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
