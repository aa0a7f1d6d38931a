/**
 * A provider hangs while `gateway` payments come in at a fixed rate, and is well again later: how soon payments go
 * elsewhere, what becomes of those that it had, and how soon it is trusted again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadPlan } from '../load/load-plan.ts';
import { nextPlan, sizeOf } from '../load-plans.ts';
import { backAtRate, type CountedAt, rateOver } from '../measure/back-at-rate.ts';
import type { Api } from '../product/api.ts';
import { isOpen, untilBreakers } from '../product/breakers.ts';
import { GatewayMeter } from '../product/gateway-meter.ts';
import {
  countStatuses,
  ENDINGS,
  explainWaiting,
  listPayments,
  type Waiting,
} from '../product/payment-ends.ts';
import { firstChargeSince } from '../product/provider-book.ts';
import type { SandboxProvider } from '../product/sandbox-provider.ts';
import { runScenario, type ScenarioContext, type ScenarioReport } from '../scenario.ts';
import type { Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

/** Verdicts come ten times a second, each a tenth of the second's payments. */
const RATE = { share: 0.9, windowMs: 2000 };
/** What an undisturbed payment takes, many times over: older ones without an end are held up. */
const HELD_MS = 3000;
const BOOK_EVERY_MS = 100;
const TIMING: { readonly full: FailoverTiming; readonly quick: FailoverTiming } = {
  full: { beforeMs: 5000, outageMs: 20_000, afterMs: 15_000 },
  quick: { beforeMs: 3000, outageMs: 6000, afterMs: 8000 },
};

export interface FailoverTiming {
  /** Of the load, before the provider hangs; longer than a window of the rate. */
  readonly beforeMs: number;
  readonly outageMs: number;
  readonly afterMs: number;
}

/** All times from the moment the provider hung, unless said; null: not seen while it was looked for. */
export interface FailoverFigures {
  readonly provider: string;
  readonly ratePerSecond: number;
  readonly outageMs: number;
  /** Completed a second just before the outage: below the rate, the machine was too slow for it with or without. */
  readonly beforePerSecond: number | null;
  /** The breaker is first seen open. */
  readonly breakerOpenMs: number | null;
  /** From then on every two seconds of the outage have completed nine tenths of the rate. */
  readonly backAtRateMs: number | null;
  /** Without an end at the end of the outage, and older than any undisturbed payment. */
  readonly held: Waiting;
  /** From its recovery to its first charge. */
  readonly trafficAgainMs: number | null;
  /** At the end, by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** At the end, without an end. */
  readonly waiting: Waiting;
}

export interface FailoverReport {
  readonly scenario: ScenarioReport;
  readonly figures: FailoverFigures;
}

export function failoverDurationMs({ beforeMs, outageMs, afterMs }: FailoverTiming): number {
  return beforeMs + outageMs + afterMs;
}

export async function measureFailover(stage: Stage): Promise<FailoverReport> {
  const timing = sizeOf(stage, TIMING);
  const ratePerSecond = stage.options.gatewayRate;
  await checkpoint(stage.serverUrl);
  const durationMs = failoverDurationMs(timing);
  // Nobody waits for final states: those that a hung provider has would hold the last answers up.
  const plan = nextPlan(stage, { method: 'gateway', durationMs, waitingConnections: 0 });
  const report = await runFailover(stage.context, stage.providers, {
    plan: { ...plan, ratePerSecond },
    timing,
  });
  stage.stored += report.scenario.load.accepted;
  return report;
}

/** The first provider hangs; the plan is an open loop of `failoverDurationMs`. */
async function runFailover(
  context: ScenarioContext,
  providers: readonly SandboxProvider[],
  { plan, timing }: { plan: LoadPlan & { readonly ratePerSecond: number }; timing: FailoverTiming },
): Promise<FailoverReport> {
  const [provider] = providers;
  if (provider === undefined) throw new Error('failover needs a provider');
  const { api } = context;
  const meter = new GatewayMeter(api, providers);
  await meter.start();
  const startedAt = new Date();
  const finished: CountedAt[] = [];
  const outage = new Outage(api, provider, { timing, bookPosition: meter.positionOf(provider) });
  const scenario = await runScenario(context, 'failover', plan, {
    meanwhile: () => outage.run(),
    onSnapshot: ({ atMs, complete, broken }) => finished.push({ atMs, count: complete + broken }),
    endings: ENDINGS,
  });
  const gateway = await meter.stop();
  const payments = await listPayments(api, { created_from: startedAt.toISOString() });
  const waiting = await explainWaiting(
    api,
    payments.filter(({ status }) => !ENDINGS.has(status)),
  );
  const { ratePerSecond } = plan;
  const { fromMs } = outage.span();
  const figures = {
    ...outage.seen(),
    ratePerSecond,
    beforePerSecond: rateOver(finished, { fromMs: fromMs - RATE.windowMs, untilMs: fromMs }),
    backAtRateMs: backAtRate(finished, outage.span(), { ...RATE, ratePerSecond }),
    statuses: countStatuses(payments),
    waiting,
  };
  return { scenario: { ...scenario, gateway, lost: lostOf(scenario, waiting) }, figures };
}

/** Who waits and says why is not lost. */
function lostOf({ lost }: ScenarioReport, { payments, withoutReason }: Waiting): number {
  return withoutReason > 0 ? lost : Math.max(0, lost - payments);
}

class Outage {
  readonly #api: Api;
  readonly #provider: SandboxProvider;
  readonly #timing: FailoverTiming;
  readonly #bookPosition: number;
  #fromMs = 0;
  #untilMs = 0;
  #breakerOpenMs: number | null = null;
  #trafficAgainMs: number | null = null;
  #held: Waiting = { payments: 0, reasons: {}, withoutReason: 0 };

  constructor(
    api: Api,
    provider: SandboxProvider,
    { timing, bookPosition }: { timing: FailoverTiming; bookPosition: number },
  ) {
    this.#api = api;
    this.#provider = provider;
    this.#timing = timing;
    this.#bookPosition = bookPosition;
  }

  async run(): Promise<void> {
    const { beforeMs, outageMs } = this.#timing;
    await delay(beforeMs);
    this.#fromMs = performance.now();
    const hungAt = new Date();
    await this.#provider.hang();
    this.#breakerOpenMs = await untilBreakers(this.#api, (breakers) => this.#isOpen(breakers), outageMs);
    await delay(Math.max(0, this.#fromMs + outageMs - performance.now()));
    // Before some hundred reads of ours are among what the product does.
    this.#untilMs = performance.now();
    this.#held = await this.#lookAtHeld(hungAt);
    const recoveredAt = Date.now();
    await this.#provider.recover();
    this.#trafficAgainMs = await this.#untilCharged(recoveredAt);
  }

  /** On the clock of `performance`. */
  span(): { fromMs: number; untilMs: number } {
    return { fromMs: this.#fromMs, untilMs: this.#untilMs };
  }

  seen() {
    return {
      provider: this.#provider.name,
      outageMs: this.#untilMs - this.#fromMs,
      breakerOpenMs: this.#breakerOpenMs,
      held: this.#held,
      trafficAgainMs: this.#trafficAgainMs,
    };
  }

  #isOpen(breakers: ReadonlyMap<string, string>): boolean {
    return isOpen(breakers.get(this.#provider.name));
  }

  /** Also those that were under way when it hung. */
  async #lookAtHeld(hungAt: Date): Promise<Waiting> {
    const held = await listPayments(this.#api, {
      status: 'authorized',
      created_from: new Date(hungAt.getTime() - HELD_MS).toISOString(),
      created_to: new Date(Date.now() - HELD_MS).toISOString(),
    });
    return explainWaiting(this.#api, held);
  }

  /** By its own book, ms from that instant. */
  async #untilCharged(recoveredAt: number): Promise<number | null> {
    let after = this.#bookPosition;
    const lookUntil = recoveredAt + this.#timing.afterMs;
    for (;;) {
      const entries = await this.#provider.readBook(after);
      const chargedAt = firstChargeSince(entries, recoveredAt);
      if (chargedAt !== undefined) return chargedAt - recoveredAt;
      if (Date.now() > lookUntil) return null;
      after = entries.at(-1)?.position ?? after;
      await delay(BOOK_EVERY_MS);
    }
  }
}

/** What must hold whatever the speed: nobody waits without a reason that can be read, and the breaker does its work. */
export function faultsOfFailover(figures: FailoverFigures): string[] {
  const { breakerOpenMs, held, waiting, provider } = figures;
  const candidates: [boolean, string][] = [
    [breakerOpenMs === null, `the breaker of ${provider} did not open while it hung`],
    [held.withoutReason > 0, `${held.withoutReason} payments were held up and nothing says why`],
    [waiting.withoutReason > 0, `${waiting.withoutReason} payments wait at the end and nothing says why`],
  ];
  return candidates.filter(([holds]) => holds).map(([, text]) => `failover: ${text}`);
}
