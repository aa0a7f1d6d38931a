/** A payment's verdict: the stored one, or while the saga runs, what its events say so far. From the logs alone. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { readTimeline } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { stageEndedBy } from '#sagas/saga.ts';
import { type Finding, judge } from './follow-saga.ts';
import { seenEvent } from './seen-event.ts';
import { storedVerdict, type VerdictRow } from './store.ts';

export interface VerdictReading {
  readonly verdict: 'running' | 'complete' | 'broken';
  readonly stages: readonly (readonly [type: string, identity: string, at: EpochMs])[];
  readonly findings: readonly Finding[];
  /** Null while the saga runs. */
  readonly verifiedAt: EpochMs | null;
}

export class VerdictReads {
  readonly #reader: Reader;
  readonly #topics: readonly string[];

  constructor(reader: Reader, topics: readonly string[]) {
    this.#reader = reader;
    this.#topics = topics;
  }

  /** Undefined if no log knows the payment. */
  async find(tenant: string, paymentId: string): Promise<VerdictReading | undefined> {
    const [row] = await this.#reader.query<VerdictRow & { verified_at: EpochMs }>(
      'select subject, tenant, verdict, stages, findings, verified_at from integrity.verdicts where subject = $1 and tenant = $2',
      [paymentId, tenant],
    );
    if (row !== undefined) return { ...storedVerdict(row), verifiedAt: row.verified_at };
    const events = await this.timeline(tenant, paymentId);
    if (events.length === 0) return undefined;
    const { verdict, path, findings } = judge(balancePayment, events.map(seenEvent));
    // Complete as it may look: it is verified when the integrity service has followed every log up to its end.
    const settled = verdict === 'complete' ? 'running' : verdict;
    return {
      verdict: settled,
      stages: path.map(({ type, identity, at }) => [type, identity, at]),
      findings,
      verifiedAt: null,
    };
  }

  timeline(tenant: string, paymentId: string): Promise<LogEvent[]> {
    return readTimeline(this.#reader, this.#topics, { tenant, subject: paymentId });
  }
}

export function renderVerdict(paymentId: string, reading: VerdictReading): JsonObject {
  return {
    payment_id: paymentId,
    verdict: reading.verdict,
    stages: reading.stages.map(([type, identity, at]) => ({
      stage: stageEndedBy(balancePayment, type)?.name ?? 'request',
      event: identity,
      type,
      at: toRfc3339(at),
    })),
    findings: reading.findings.map(({ kind, event, detail }) => ({ kind, event, detail })),
    verified_at: reading.verifiedAt === null ? null : toRfc3339(reading.verifiedAt),
  };
}
