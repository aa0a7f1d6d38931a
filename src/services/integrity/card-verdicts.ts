/** The verdict on a card transaction, in the form that a payment's has: judged from its events, which are one log's. */
import type { EpochMs } from '#kernel/clock.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { readTimeline } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { cardStageOf } from '#sagas/card-transaction.ts';
import { findCardNotifications, type StoredCardNotification } from '#services/notification/contract.ts';
import type { CardFinding, Proof } from './proof-port.ts';
import type { NamedStage, VerdictReading } from './reads.ts';

interface JudgedRow {
  position: bigint;
  judged_at: EpochMs;
}

export class CardVerdictReads {
  readonly #reader: Reader;
  readonly #proof: Pick<Proof, 'judgeCardTransaction'>;

  constructor(reader: Reader, proof: Pick<Proof, 'judgeCardTransaction'>) {
    this.#reader = reader;
    this.#proof = proof;
  }

  /** Undefined if the log does not know it. */
  async find(tenant: string, subject: string): Promise<VerdictReading | undefined> {
    const timeline = await readTimeline(this.#reader, ['cards'], { tenant, subject });
    const events = timeline
      .filter(({ type }) => cardStageOf(type) !== undefined)
      .toSorted((a, b) => a.position - b.position);
    const last = events.at(-1);
    if (last === undefined) return undefined;
    const [told, judged, missing] = await Promise.all([
      findCardNotifications(this.#reader, events),
      this.#findJudged(last),
      this.#findMissing(tenant, subject),
    ]);
    const { standing, findings: contradictions } = this.#proof.judgeCardTransaction(subject, events);
    const findings = [...contradictions, ...missing];
    const isBroken = findings.length > 0;
    // What is set aside is still to be captured, or given back.
    const isOver = judged !== undefined && standing !== 'held';
    return {
      verdict: isBroken ? 'broken' : isOver ? 'complete' : 'running',
      stages: events.flatMap((event) => stagesOf(event, told)),
      findings,
      verifiedAt: isBroken || isOver ? (judged?.judged_at ?? null) : null,
    };
  }

  /** Undefined until it has come to the event. By primary key. */
  async #findJudged({ partition, position }: LogEvent): Promise<JudgedRow | undefined> {
    const [row] = await this.#reader.query<JudgedRow>(
      'select position, judged_at from integrity.judged_cards where partition = $1 and position >= $2',
      [partition, position],
    );
    return row;
  }

  /** What the holder should have been told, and was not, as the log was judged. By the index on live findings. */
  async #findMissing(tenant: string, subject: string): Promise<CardFinding[]> {
    const rows = await this.#reader.query<{ kind: string; evidence: string; detail: string }>(
      `select kind, evidence, detail from integrity.findings
       where subject = $1 and kind = 'missing_card_notification' and tenant = $2 and closed_at is null`,
      [subject, tenant],
    );
    return rows.map(({ kind, evidence, detail }) => {
      const [event = subject] = JSON.parse(evidence) as string[];
      return { kind, event, detail };
    });
  }
}

/** The decision, its posting and its notification are of one event. */
function stagesOf(event: LogEvent, told: readonly StoredCardNotification[]): NamedStage[] {
  const { type, data, occurredAt: at } = event;
  const stage = { type, event: eventIdentity(event) };
  const notification = told.find(({ position }) => position === event.position);
  return [
    { ...stage, name: cardStageOf(type)?.name ?? type, at },
    ...('entry' in data ? [{ ...stage, name: 'posting', at }] : []),
    ...(notification === undefined ? [] : [{ ...stage, name: 'notification', at: notification.createdAt }]),
  ];
}
