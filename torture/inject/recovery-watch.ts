/**
 * How soon intake is back after a fault has ended: from its end to the first 202 to a payment that was sent after it, and on
 * until that payment has completed. While a recovery is awaited a payment is sent every tenth of a second, to both processes
 * in turn, whatever became of those before it.
 *
 * Faults overlap, so it is timed twice: from the fault's own end, whatever else went on, and from when intake could be back:
 * the last moment at which other faults had left no process that could take a payment (impairment.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isFinal } from '../check/documents.ts';
import type { FaultKind } from '../plan/fault-kinds.ts';
import type { PlannedFault } from '../plan/fault-plan.ts';
import type { HttpCaller } from '../workload/http-caller.ts';
import { idIn } from '../workload/scenarios.ts';
import { PROBE_SHOP, PROBED, paymentOrder } from '../workload/world.ts';
import { Impairment } from './impairment.ts';

export interface Recovery {
  readonly number: number;
  readonly kind: FaultKind;
  /** Until intake acknowledged a payment, from when it could; undefined as long as it has not. */
  intakeMs: number | undefined;
  /** The same from the fault's own end. */
  intakeSinceEndMs: number | undefined;
  /** Until that payment was final, from when intake could be back. */
  finalMs: number | undefined;
}

const PROBE_EVERY_MS = 100;
const PROBE_TIMEOUT_MS = 4000;
/** As many as are sent while the first has its time. */
const PROBES_AT_ONCE = 40;
const FINAL_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 50;

interface Awaited {
  readonly recovery: Recovery;
  readonly endedAt: number;
  /** Since when intake could be back. */
  possibleAt: number;
}

export class RecoveryWatch {
  readonly recoveries: Recovery[] = [];
  readonly #caller: HttpCaller;
  readonly #impairment = new Impairment();
  readonly #underWay = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #awaited: Awaited[] = [];
  #probes = 0;
  #probing: Promise<void> = Promise.resolve();

  readonly #onFinal: (recovery: Recovery) => void;

  constructor(caller: HttpCaller, onFinal: (recovery: Recovery) => void) {
    this.#caller = caller;
    this.#onFinal = onFinal;
  }

  start(): void {
    this.#probing = this.#probe();
  }

  faultBegan({ target }: PlannedFault): void {
    this.#impairment.begin(target);
  }

  faultEnded({ number, target, action }: PlannedFault): void {
    const now = performance.now();
    if (this.#impairment.end(target)) for (const awaited of this.#awaited) awaited.possibleAt = now;
    const { kind } = action;
    const recovery = { number, kind, intakeMs: undefined, intakeSinceEndMs: undefined, finalMs: undefined };
    this.recoveries.push(recovery);
    this.#awaited.push({ recovery, endedAt: now, possibleAt: now });
  }

  /** Ends when every recovery was seen, or nobody answers any more. */
  async stop(): Promise<void> {
    for (const endsAt = performance.now() + FINAL_WITHIN_MS; performance.now() < endsAt; )
      if (this.#awaited.length === 0) break;
      else await delay(PROBE_EVERY_MS);
    this.#ending.abort();
    await this.#probing;
    await Promise.all(this.#underWay);
  }

  async #probe(): Promise<void> {
    for (; !this.#ending.signal.aborted; await delay(PROBE_EVERY_MS)) {
      if (this.#awaited.length === 0 || this.#underWay.size >= PROBES_AT_ONCE) continue;
      const sent: Promise<void> = this.#send().finally(() => this.#underWay.delete(sent));
      this.#underWay.add(sent);
    }
  }

  async #send(): Promise<void> {
    const number = ++this.#probes;
    const wallet = PROBED[number % PROBED.length];
    const terms = { wallet_id: wallet, service_id: PROBE_SHOP, amount: 1, method: 'balance' };
    const sentAt = performance.now();
    const order = paymentOrder(`probe-${number}`, terms);
    const id = idIn(await this.#caller.try(order, this.#caller.nextUrl(), PROBE_TIMEOUT_MS));
    if (id === undefined) return;
    const back = this.#awaited.filter(({ endedAt }) => endedAt <= sentAt);
    this.#awaited = this.#awaited.filter((awaited) => !back.includes(awaited));
    const now = performance.now();
    for (const { recovery, endedAt, possibleAt } of back) {
      recovery.intakeMs = Math.max(0, now - possibleAt);
      recovery.intakeSinceEndMs = now - endedAt;
    }
    if (back.length > 0) await this.#follow(id, back);
  }

  async #follow(id: string, back: readonly Awaited[]): Promise<void> {
    for (
      const endsAt = performance.now() + FINAL_WITHIN_MS;
      performance.now() < endsAt;
      await delay(LOOK_EVERY_MS)
    ) {
      const payment = await this.#caller.read<{ status: string }>(`/v1/payments/${id}`);
      if (payment === undefined || !isFinal(payment.status)) continue;
      for (const { recovery, possibleAt } of back) {
        recovery.finalMs = performance.now() - possibleAt;
        this.#onFinal(recovery);
      }
      return;
    }
  }
}
