/**
 * Calls the providers, outside every transaction and batch, and reports what they answer.
 *
 * S1: what is called has been committed before; what is lost here is brought back by its row.
 * S2: a charge leaves only while its partition is this process' and its time to be sent is not over; both are asked
 *     immediately before it leaves.
 * S3: what is under way is bounded; what does not fit stays in the table.
 */

import type { Clock } from '#kernel/clock.ts';
import { lastAnswers } from '#platform/egress/last-answers.ts';
import type { Attempt, Operation } from './attempt.ts';
import type { ProviderGate } from './provider-gate.ts';
import type { CallReport, CallResult } from './report.ts';
import type { Reports } from './reports.ts';

/** Calls, those that wait for their turn included. */
const UNDER_WAY_MAX = 8192;

export interface DispatcherOptions {
  readonly gates: ReadonlyMap<string, ProviderGate>;
  readonly reports: Pick<Reports, 'submit'>;
  readonly clock: Clock;
  /** Whether this process holds the partition's lease at this moment. */
  readonly isOwned: (partition: number) => boolean;
  /** After every call: there is room for another. */
  readonly onRoom: () => void;
  readonly onError: (error: unknown) => void;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #underWay = new Map<string, Call>();
  #stopping = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** How many charges each provider would be sent now; those that would get none are left out. */
  rooms(): Map<string, number> {
    return new Map([...this.rations({ reserved: 0 })].filter(([, room]) => room > 0));
  }

  /** How many charges each provider that answers would be sent now, if `reserved` calls are kept for something else. */
  rations({ reserved }: { readonly reserved: number }): Map<string, number> {
    let left = Math.max(0, this.free - reserved);
    const rations = new Map<string, number>();
    for (const [name, { isAvailable, room }] of this.#options.gates) {
      if (!isAvailable) continue;
      const ration = Math.min(room, left);
      rations.set(name, ration);
      left -= ration;
    }
    return rations;
  }

  /** How many calls of any kind would be taken. */
  get free(): number {
    return this.#stopping ? 0 : UNDER_WAY_MAX - this.#underWay.size;
  }

  take(attempt: Attempt, operation: Operation): void {
    const name = callOf(attempt, operation);
    const underWay = this.#underWay.get(name);
    // It has been waiting for its turn, or for its answer, for longer than the claim thought: the answer is to this one too.
    if (underWay !== undefined) {
      underWay.call = attempt.calls;
      return;
    }
    if (this.free <= 0) return; // S1, S3
    const call = { begunAs: attempt.calls, call: attempt.calls, done: Promise.resolve() };
    this.#underWay.set(name, call);
    call.done = this.#perform(attempt, operation, call)
      .catch(this.#options.onError)
      .finally(() => this.#underWay.delete(name));
  }

  /** A charge that somebody had begun to send, and of which nothing was heard. */
  takeOver(attempt: Attempt): void {
    if (this.#underWay.has(callOf(attempt, 'charge'))) return;
    const { calls } = attempt;
    const lapsed = this.#report(attempt, 'charge', {
      begunAs: calls,
      call: calls,
      result: { kind: 'lapsed' },
    });
    lapsed.catch(this.#options.onError);
  }

  /** Waits for answers that are on their way, for a moment; then gives the calls up. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await lastAnswers(this.#settled());
    await Promise.all([...this.#options.gates.values()].map((gate) => gate.close()));
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await Promise.all([...this.#underWay.values()].map(({ done }) => done));
  }

  async #perform(attempt: Attempt, operation: Operation, underWay: Call): Promise<void> {
    const result = await this.#call(attempt, operation);
    this.#options.onRoom();
    await this.#report(attempt, operation, { begunAs: underWay.begunAs, call: underWay.call, result });
  }

  async #call(attempt: Attempt, operation: Operation): Promise<CallResult> {
    const gate = this.#options.gates.get(attempt.provider);
    if (gate === undefined) return { kind: 'not_sent', detail: `${attempt.provider} is not configured.` };
    if (operation !== 'charge') return gate.ask(operation, attempt);
    // Who has waited for so long is not charged when nobody expects it any more.
    if (this.#options.clock.now() >= attempt.deadlineAt)
      return { kind: 'too_late', detail: 'The time for the charge is over.' };
    return gate.charge(attempt, () => this.#obstacleTo(attempt));
  }

  // S2
  #obstacleTo({ partition, sendBefore }: Attempt): string | undefined {
    const { clock, isOwned } = this.#options;
    if (this.#stopping) return 'The process is stopping.';
    if (!isOwned(partition)) return 'The partition is another process’ by now.';
    return clock.now() < sendBefore ? undefined : 'Its time to be sent is over.';
  }

  async #report({ subject, uuid }: Attempt, operation: Operation, end: EndedCall): Promise<void> {
    await this.#options.reports.submit({ subject, uuid, report: { from: 'call', operation, ...end } });
  }
}

/** One under way. */
interface Call {
  readonly begunAs: number;
  call: number;
  done: Promise<void>;
}

type EndedCall = Pick<CallReport, 'begunAs' | 'call' | 'result'>;

/** A charge may be called off while it is on its way: of one attempt there is one call of each kind. */
function callOf({ uuid }: Attempt, operation: Operation): string {
  return `${uuid}/${operation}`;
}
