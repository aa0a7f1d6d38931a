/**
 * The attempts of a batch's subjects, locked and loaded; decisions change them in memory and tell what became of them.
 * What is decided first is seen by what is decided next.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import { type Attempt, attemptId } from './attempt.ts';
import { asDetail } from './detail.ts';

/** An attempt whose next event follows from one that this batch tells: known once it is appended. */
export interface Follower {
  readonly uuid: string;
  readonly subject: string;
  readonly type: string;
}

export interface AttemptChanges {
  readonly begun: readonly Attempt[];
  readonly changed: readonly Attempt[];
  /** Those of the changed that are in another state than before. */
  readonly moved: readonly Attempt[];
  readonly drafts: readonly EventDraft[];
  readonly followers: readonly Follower[];
}

export class Attempts {
  readonly #loaded: readonly Attempt[];
  readonly #bySubject = new Map<string, readonly Attempt[]>();
  readonly #begun = new Map<string, Attempt>();
  readonly #changed = new Map<string, Attempt>();
  readonly #drafts: EventDraft[] = [];
  readonly #followers = new Map<string, Follower>();

  constructor(loaded: readonly Attempt[]) {
    this.#loaded = loaded;
    for (const attempt of loaded)
      this.#bySubject.set(attempt.subject, [...this.of(attempt.subject), attempt]);
  }

  of(subject: string): readonly Attempt[] {
    return this.#bySubject.get(subject) ?? [];
  }

  /**
   * When something is decided about the subject: not before what was decided last, by another process whose clock may be
   * ahead of ours. Others are decided at an instant of their own, lest a clock that jumped once dates them too.
   */
  instantFor(subject: string, now: EpochMs): EpochMs {
    return this.of(subject).reduce((latest, { updatedAt }) => Math.max(latest, updatedAt), now);
  }

  find(subject: string, uuid: string): Attempt | undefined {
    return this.of(subject).find((attempt) => attempt.uuid === uuid);
  }

  begin(attempt: Attempt): Attempt {
    this.#bySubject.set(attempt.subject, [...this.of(attempt.subject), attempt]);
    this.#begun.set(attempt.uuid, attempt);
    return attempt;
  }

  /** Whether it was begun in this batch: nobody outside can know of it. */
  isBegun({ uuid }: Attempt): boolean {
    return this.#begun.has(uuid);
  }

  change(attempt: Attempt, change: Partial<Attempt>): Attempt {
    const changed = { ...attempt, ...change };
    const all = this.of(attempt.subject).map((each) => (each.uuid === attempt.uuid ? changed : each));
    this.#bySubject.set(attempt.subject, all);
    // What was begun in this batch is written once, as it ends the batch.
    (this.#begun.has(attempt.uuid) ? this.#begun : this.#changed).set(attempt.uuid, changed);
    return changed;
  }

  /** What its `detail` says may come from outside. */
  tell(attempt: Attempt, type: string, data: JsonObject, version = 1): void {
    const { detail } = data;
    const { tenant, subject, key, correlationId, traceparent, cause } = attempt;
    this.#drafts.push({
      type,
      version,
      subject,
      tenant,
      key,
      data: typeof detail === 'string' ? { ...data, detail: asDetail(detail) } : data,
      correlationId,
      causation: cause,
      traceparent,
    });
  }

  /** Told of something that is the answer to an event and to no attempt. */
  draft(draft: EventDraft): void {
    this.#drafts.push(draft);
  }

  /** The attempt's next event will follow from the last one of this type that was told of its subject. */
  follow({ uuid, subject }: Attempt, type: string): void {
    this.#followers.set(uuid, { uuid, subject, type });
  }

  changes(): AttemptChanges {
    return {
      begun: [...this.#begun.values()],
      changed: [...this.#changed.values()],
      moved: this.#loaded.flatMap(({ uuid, state }) => {
        const changed = this.#changed.get(uuid);
        return changed === undefined || changed.state === state ? [] : [changed];
      }),
      drafts: this.#drafts,
      followers: [...this.#followers.values()],
    };
  }
}

/** What every event of an attempt says of it. */
export function attemptData(attempt: Attempt): { attempt_id: string; provider: string; number: number } {
  return { attempt_id: attemptId(attempt), provider: attempt.provider, number: attempt.number };
}

/** The same with the money that moved. */
export function chargedData(attempt: Attempt) {
  const { amount, currency, providerReference } = attempt;
  return { ...attemptData(attempt), amount, currency, provider_reference: providerReference };
}
