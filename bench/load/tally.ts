/** What became of the requests of a run. */
import { Histogram } from './histogram.ts';
import type { LoadResult } from './load-plan.ts';

const SAMPLE_IDS = 200;
/** The server's way of saying: later. */
export const REFUSALS: ReadonlySet<number> = new Set([429, 503]);
const ID_MEMBER = Buffer.from('"id":"');
const STATUS_MEMBER = Buffer.from('"status":"');
const CODE_MEMBER = Buffer.from('"code":"');
const QUOTE = 0x22;

export type Counted = Pick<
  LoadResult,
  | 'accepted'
  | 'acceptedInTime'
  | 'refused'
  | 'unexpected'
  | 'dropped'
  | 'acceptance'
  | 'completion'
  | 'incomplete'
  | 'finalStates'
  | 'sampleIds'
>;

export class Tally {
  readonly #acceptance = new Histogram();
  readonly #completion = new Histogram();
  readonly #unexpected: Record<string, number> = {};
  readonly #finalStates: Record<string, number> = {};
  readonly #sampleIds: string[] = [];
  #accepted = 0;
  #acceptedInTime = 0;
  #refused = 0;
  #dropped = 0;
  #unexpectedTotal = 0;
  #incomplete = 0;
  /** Every so many accepted payments one id is kept; doubled, and half of the ids forgotten, when there are too many. */
  #sampleEvery = 1;

  /** An answer to a request that says by the status `done` that it was done. */
  answered(
    status: number,
    body: Buffer,
    { done, ...answer }: { latencyMs: number; inTime: boolean; done: number },
  ): void {
    if (status === done) {
      this.#acceptance.record(answer.latencyMs);
      this.#accept(body, answer.inTime);
    } else this.#other(status);
  }

  /** The decision of a card transaction. */
  answeredCard(status: number, body: Buffer, answer: { latencyMs: number; inTime: boolean }): void {
    if (status !== 200) {
      this.#other(status);
      return;
    }
    this.#acceptance.record(answer.latencyMs);
    count(this.#finalStates, memberOf(body, CODE_MEMBER) ?? 'unknown');
    this.#accept(body, answer.inTime);
  }

  /** An answer to a request that waited for its final state: 200 with it, or the 202 when it did not come. */
  answeredWaiting(status: number, body: Buffer, answer: { latencyMs: number; inTime: boolean }): void {
    if (status !== 200 && status !== 202) {
      this.#other(status);
      return;
    }
    if (status === 200) {
      this.#completion.record(answer.latencyMs);
      count(this.#finalStates, memberOf(body, STATUS_MEMBER) ?? 'unknown');
    } else this.#incomplete += 1;
    this.#accept(body, answer.inTime);
  }

  /** Requests that ended without a payment, as far as anybody knows. */
  get withoutPayment(): number {
    return this.#refused + this.#dropped + this.#unexpectedTotal;
  }

  /** A request that was to wait for its final state, and was sent without. */
  couldNotWait(): void {
    this.#incomplete += 1;
  }

  dropped(): void {
    this.#dropped += 1;
  }

  counted(): Counted {
    return {
      accepted: this.#accepted,
      acceptedInTime: this.#acceptedInTime,
      refused: this.#refused,
      unexpected: this.#unexpected,
      dropped: this.#dropped,
      acceptance: this.#acceptance.summary(),
      completion: this.#completion.summary(),
      incomplete: this.#incomplete,
      finalStates: this.#finalStates,
      sampleIds: this.#sampleIds,
    };
  }

  #accept(body: Buffer, inTime: boolean): void {
    this.#accepted += 1;
    if (inTime) this.#acceptedInTime += 1;
    if (this.#accepted % this.#sampleEvery === 0) this.#sample(body);
  }

  #sample(body: Buffer): void {
    const id = memberOf(body, ID_MEMBER);
    if (id !== undefined) this.#sampleIds.push(id);
    if (this.#sampleIds.length < 2 * SAMPLE_IDS) return;
    const kept = this.#sampleIds.filter((_, index) => index % 2 === 1);
    this.#sampleIds.splice(0, this.#sampleIds.length, ...kept);
    this.#sampleEvery *= 2;
  }

  #other(status: number): void {
    if (REFUSALS.has(status)) {
      this.#refused += 1;
      return;
    }
    this.#unexpectedTotal += 1;
    count(this.#unexpected, String(status));
  }
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** The text of a member that our server renders without escapes. */
function memberOf(body: Buffer, member: Buffer): string | undefined {
  const at = body.indexOf(member);
  if (at < 0) return undefined;
  const start = at + member.length;
  const end = body.indexOf(QUOTE, start);
  return end < 0 ? undefined : body.toString('latin1', start, end);
}
