/** A saga's verdict: the stored one, or while it runs, what its events say so far. From the logs alone. */
import { type Clock, type EpochMs, systemClock, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { readTimeline } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { stageEndedBy } from '#sagas/saga.ts';
import { judgeSubject } from './follow-saga.ts';
import { overdueStages } from './overdue-stages.ts';
import { growTree } from './saga-tree.ts';
import { SAGA_EVENTS, type SeenEvent, sagaOf, seenEvent } from './seen-event.ts';
import { storedVerdict, type VerdictRow } from './store.ts';

export interface VerdictReading {
  readonly verdict: 'running' | 'complete' | 'broken';
  readonly stages: readonly NamedStage[];
  readonly findings: readonly { readonly kind: string; readonly event: string; readonly detail: string }[];
  /** Null while the saga runs. */
  readonly verifiedAt: EpochMs | null;
}

export interface NamedStage {
  readonly name: string;
  readonly type: string;
  readonly event: string;
  readonly at: EpochMs;
}

export class VerdictReads {
  readonly #reader: Reader;
  readonly #topics: readonly string[];
  readonly #clock: Clock;

  constructor(reader: Reader, topics: readonly string[], clock: Clock = systemClock) {
    this.#reader = reader;
    this.#topics = topics;
    this.#clock = clock;
  }

  /** Undefined if no log knows the payment or refund. */
  async find(tenant: string, subject: string): Promise<VerdictReading | undefined> {
    const [[row], events] = await Promise.all([
      this.#reader.query<VerdictRow & { verified_at: EpochMs }>(
        'select subject, tenant, verdict, stages, findings, verified_at from integrity.verdicts where subject = $1 and tenant = $2',
        [subject, tenant],
      ),
      this.timeline(tenant, subject),
    ]);
    const seen = events.filter(({ type }) => SAGA_EVENTS.has(type)).map(seenEvent);
    const nameOf = stageNames(subject, seen);
    if (row !== undefined) {
      const { verdict, stages, findings } = storedVerdict(row);
      const named = stages.map(([type, event, at]) => ({ name: nameOf(event, type), type, event, at }));
      return { verdict, stages: named, findings, verifiedAt: row.verified_at };
    }
    if (seen.length === 0) return undefined;
    const { verdict, path, findings } = judgeSubject(subject, seen);
    return {
      // Complete as it may look: it is verified when the integrity service has followed every log up to its end.
      verdict: verdict === 'complete' ? 'running' : verdict,
      stages: path.map(({ type, identity, at }) => ({
        name: nameOf(identity, type),
        type,
        event: identity,
        at,
      })),
      findings: [...findings, ...overdueStages(subject, seen, this.#clock.now())],
      verifiedAt: null,
    };
  }

  /** Accounts are named by their owners, and may be named like a payment. */
  async timeline(tenant: string, subject: string): Promise<LogEvent[]> {
    const events = await readTimeline(this.#reader, this.#topics, { tenant, subject });
    return events.filter(({ type }) => !type.startsWith('account.'));
  }
}

/** The stage that an event is an outcome of, given what caused it; a type alone may be said by several. */
function stageNames(subject: string, seen: readonly SeenEvent[]): (identity: string, type: string) => string {
  const saga = sagaOf(subject, seen);
  const names = new Map<string, string>();
  if (saga === undefined) return () => ASKED;
  for (const { event, stage } of growTree(saga, seen)) {
    const root = event.type in saga.incidents ? 'incident' : ASKED;
    names.set(event.identity, stage?.name ?? root);
  }
  return (identity, type) => names.get(identity) ?? stageEndedBy(saga, type)?.name ?? ASKED;
}

/** Of what no stage ended: the saga's beginning, and what persons asked later. */
const ASKED = 'request';

/** `about` names the resource: `{payment_id: 'pay_…'}`. */
export function renderVerdict(about: JsonObject, reading: VerdictReading): JsonObject {
  return {
    ...about,
    verdict: reading.verdict,
    stages: reading.stages.map(({ name, event, type, at }) => ({
      stage: name,
      event,
      type,
      at: toRfc3339(at),
    })),
    findings: reading.findings.map(({ kind, event, detail }) => ({ kind, event, detail })),
    verified_at: toRfc3339OrNull(reading.verifiedAt),
  };
}
