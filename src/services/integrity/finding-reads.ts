/** What callers read of findings: single ones with their history, lists, the standing of a tenant. No locks; by tenant. */
import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { handledUpTo } from '#platform/dead-letters/parked-keys.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { decodeEvent, type EventRow } from '#platform/log/event-log.ts';
import { renderTimelineEvent } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { FindingState, StoredFinding } from './finding.ts';
import { FINDING_COLUMNS, type FindingRow, storedFinding } from './finding-store.ts';
import type { Severity } from './repair-rules.ts';
import { SAGA_TOPICS } from './seen-event.ts';
import type { FindingCount } from './telemetry.ts';

export interface FindingFilter {
  readonly kind?: string | undefined;
  readonly severity?: Severity | undefined;
  readonly state?: FindingState | undefined;
  readonly subject?: string | undefined;
  /** Uuid of the last one given. */
  readonly before: string | undefined;
  readonly limit: number;
}

export interface ActionReading {
  readonly at: EpochMs;
  readonly actor: string;
  readonly action: string;
  readonly detail: string;
}

export interface FindingReading {
  readonly finding: StoredFinding;
  /** Oldest first. */
  readonly actions: readonly ActionReading[];
  /** Of the evidence, the events that the logs have, in its order. */
  readonly events: readonly LogEvent[];
}

export interface Standing {
  readonly sagas: {
    readonly complete: number;
    readonly broken: number;
    readonly running: number;
    readonly countedAt: EpochMs | null;
  };
  readonly verifiedUpTo: readonly VerifiedTopic[];
  readonly live: readonly { readonly kind: string; readonly severity: Severity; readonly count: number }[];
  readonly oldestSeenAt: EpochMs | null;
}

export interface VerifiedTopic {
  readonly topic: string;
  /** Every event that happened before is verified; null if nothing happened yet that is not. */
  readonly upTo: EpochMs | null;
  readonly partitions: readonly {
    readonly partition: number;
    readonly position: number;
    readonly head: number;
  }[];
}

/** Of the history of a finding. */
const ACTIONS_MAX = 100;

interface PlaceRow {
  topic: string;
  partition: number;
  position: bigint;
  head: bigint;
  /** Of the first event that is not verified; null at the end of the log. */
  next_at: EpochMs | null;
}

export class FindingReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Newest first; by the index on (tenant, id). */
  async list(tenant: string, filter: FindingFilter): Promise<StoredFinding[]> {
    const { kind = null, severity = null, state = null, subject = null, before = null, limit } = filter;
    const rows = await this.#reader.query<FindingRow>(
      `select ${FINDING_COLUMNS} from integrity.findings f
       where f.tenant = $1 and ($2::text is null or f.kind = $2) and ($3::text is null or f.severity = $3)
         and ($4::text is null or f.state = $4) and ($5::text is null or f.subject = $5)
         and ($6::uuid is null or f.id < $6)
       order by f.id desc limit $7`,
      [tenant, kind, severity, state, subject, before, limit],
    );
    return rows.map(storedFinding);
  }

  /** For the operator: those that are not closed, whose ever they are, newest first. They are few. */
  async listLive(limit: number): Promise<StoredFinding[]> {
    const rows = await this.#reader.query<FindingRow>(
      `select ${FINDING_COLUMNS} from integrity.findings f where f.closed_at is null order by f.id desc limit $1`,
      [limit],
    );
    return rows.map(storedFinding);
  }

  /** Undefined if the tenant has none such. Null instead of a tenant: the operator's, of any. */
  async find(tenant: string | null, uuid: string): Promise<FindingReading | undefined> {
    const [row] = await this.#reader.query<FindingRow>(
      `select ${FINDING_COLUMNS} from integrity.findings f where f.id = $1 and ($2::text is null or f.tenant = $2)`,
      [uuid, tenant],
    );
    if (row === undefined) return undefined;
    const finding = storedFinding(row);
    const [actions, events] = await Promise.all([
      this.#reader.query<ActionReading>(
        `select at, actor, action, detail from integrity.finding_actions where finding_id = $1
         order by at, id limit ${ACTIONS_MAX}`,
        [uuid],
      ),
      this.#eventsOf(finding),
    ]);
    return { finding, actions, events };
  }

  /** By primary keys. Only the tenant's own: evidence may name a place that another's event took. */
  async #eventsOf({ tenant, evidence }: StoredFinding): Promise<LogEvent[]> {
    const places = evidence.map((identity) => identity.split('/'));
    const byTopic = await Promise.all(
      SAGA_TOPICS.map(async (topic) => {
        const own = places.filter(([name]) => name === topic);
        if (own.length === 0) return [];
        const rows = await this.#reader.query<EventRow>(
          `select e.* from unnest($1::smallint[], $2::bigint[]) as place(partition, position)
           join "${topic}".events e using (partition, position) where e.tenant = $3`,
          [own.map(([, partition]) => Number(partition)), own.map(([, , position]) => position), tenant],
        );
        return rows.map((row) => decodeEvent(topic, row));
      }),
    );
    return byTopic.flat();
  }

  async standing(tenant: string): Promise<Standing> {
    const [[census], places, live, [oldest]] = await Promise.all([
      this.#reader.query<{ complete: bigint; broken: bigint; running: bigint; counted_at: EpochMs }>(
        'select complete, broken, running, counted_at from integrity.census where tenant = $1',
        [tenant],
      ),
      this.#readPlaces(),
      this.#reader.query<Standing['live'][number]>(
        `select kind, severity, count(*)::integer as count from integrity.findings
         where tenant = $1 and closed_at is null group by kind, severity order by kind`,
        [tenant],
      ),
      this.#reader.query<{ at: EpochMs | null }>(
        'select min(first_seen_at) as at from integrity.findings where tenant = $1 and closed_at is null',
        [tenant],
      ),
    ]);
    return {
      sagas: {
        complete: Number(census?.complete ?? 0),
        broken: Number(census?.broken ?? 0),
        running: Number(census?.running ?? 0),
        countedAt: census?.counted_at ?? null,
      },
      verifiedUpTo: [...Map.groupBy(places, ({ topic }) => topic)].map(verifiedTopic),
      live,
      oldestSeenAt: oldest?.at ?? null,
    };
  }

  /** How far the service has judged everything in each log; the event after that by primary key. */
  #readPlaces(): Promise<PlaceRow[]> {
    return this.#reader.query<PlaceRow>(
      SAGA_TOPICS.map(
        (topic) => `
        select p.topic, p.partition, verified.position, h.position as head, e.occurred_at as next_at
        from log.positions p
        cross join lateral (select ${handledUpTo('p')} as position) as verified
        join log.heads h on h.topic = p.topic and h.partition = p.partition
        left join "${topic}".events e on e.partition = p.partition and e.position = verified.position + 1
        where p.consumer_group = 'integrity' and p.topic = '${topic}'`,
      ).join(' union all '),
      [],
    );
  }

  /** Of all tenants, and of the installation. By the index on live findings. */
  countLive(): Promise<FindingCount[]> {
    return this.#reader.query<FindingCount>(
      `select kind, state, count(*)::integer as count from integrity.findings
       where closed_at is null group by kind, state`,
      [],
    );
  }
}

function verifiedTopic([topic, places]: [string, PlaceRow[]]): VerifiedTopic {
  const waiting = places.flatMap(({ next_at }) => next_at ?? []);
  return {
    topic,
    upTo: waiting.length === 0 ? null : Math.min(...waiting),
    partitions: places
      .map(({ partition, position, head }) => ({ partition, position: Number(position), head: Number(head) }))
      .toSorted((a, b) => a.partition - b.partition),
  };
}

export function renderFinding(finding: StoredFinding): JsonObject {
  return {
    id: idOf('fnd', finding.uuid),
    kind: finding.kind,
    severity: finding.severity,
    subject: finding.subject,
    detail: finding.detail,
    evidence: finding.evidence,
    source: finding.source,
    state: finding.state,
    attempts: finding.attempts,
    seen: finding.seen,
    first_seen_at: toRfc3339(finding.firstSeenAt),
    last_seen_at: toRfc3339(finding.lastSeenAt),
    next_attempt_at: toRfc3339OrNull(finding.nextAttemptAt),
    closed_at: toRfc3339OrNull(finding.closedAt),
    closed_by: finding.closedBy,
    reason: finding.reason,
  };
}

export function renderReading({ finding, actions, events }: FindingReading): JsonObject {
  return {
    ...renderFinding(finding),
    events: events.map(renderTimelineEvent),
    actions: actions.map(({ at, actor, action, detail }) => ({ at: toRfc3339(at), actor, action, detail })),
  };
}

export function renderStanding(
  { sagas, verifiedUpTo, live, oldestSeenAt }: Standing,
  now: EpochMs,
): JsonObject {
  const { countedAt, ...counts } = sagas;
  return {
    sagas: { ...counts, counted_at: toRfc3339OrNull(countedAt) },
    verified_up_to: verifiedUpTo.map(({ topic, upTo, partitions }) => ({
      topic,
      at: toRfc3339(upTo ?? now),
      partitions,
    })),
    open_findings: live.map(({ kind, severity, count }) => ({ kind, severity, count })),
    oldest_unresolved_age_ms: oldestSeenAt === null ? null : Math.max(0, now - oldestSeenAt),
    as_of: toRfc3339(now),
  };
}
