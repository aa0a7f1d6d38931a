/**
 * Whether providers that hang slow the payments that need none: `balance` payments at saturation while some `gateway`
 * payments a second come in. The arms differ by one thing, whether the providers answer.
 *
 * An arm begins with every payment ended, every provider well and every breaker closed. What of an arm's payments
 * hangs is healed after its measurement.
 */

import type { Judgement } from '../judgement.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { faultsOfLoad, together, type Unaccepted } from '../load-figures.ts';
import { ARM_MS, nextPlan, sizeOf } from '../load-plans.ts';
import { type ArmKind, armsOf, type Pair, ratioOf, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { areClosed, untilBreakers } from '../product/breakers.ts';
import { CompletionWatch, type Drained, type Snapshot } from '../product/completion-watch.ts';
import { countEnded, ENDINGS, listPayments } from '../product/payment-ends.ts';
import type { SandboxProvider } from '../product/sandbox-provider.ts';
import { PROVIDERS_STALLED_MS, type ScenarioContext } from '../scenario.ts';
import type { Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

/** A probe a second, and a charge that has to be answered. */
const BREAKERS_CLOSED_MS = 30_000;

/** Beside the load that is compared, so that there is always something to hang. */
const GATEWAY_PER_SECOND = { full: 100, quick: 20 } as const;
/** Payments by a provider end before the arm does, so that the last verdicts are those of the payments compared. */
const GATEWAY_ENDS_EARLIER_MS = 1000;

/** How the providers are, without and with what is measured. */
export const PROVIDERS_ARE: Readonly<Record<ArmKind, string>> = { without: 'well', with: 'hung' };

export interface Arm extends Unaccepted {
  readonly kind: ArmKind;
  readonly balanceAccepted: number;
  readonly gatewayAccepted: number;
  /** Of the `balance` payments. */
  readonly acceptedPerSecond: number;
  /** Of the `balance` payments, by the time until the last of their verdicts; null if no more of those came. */
  readonly completedPerSecond: number | null;
  /** Accepted payments of either method without a verdict after the arm was healed. */
  readonly unfinished: number;
  readonly broken: number;
  /** From the providers' recovery until the last payment had ended; null where one has not. */
  readonly healedMs: number | null;
  readonly sampled: number;
  readonly sampledEnded: number;
}

export interface HungProviderReport {
  readonly armMs: number;
  readonly gatewayPerSecond: number;
  readonly pairs: readonly Pair<Arm>[];
  /** Hung by well, of `balance` payments completed a second: 1 is no difference. */
  readonly completedRatio: Spread | undefined;
  readonly acceptedRatio: Spread | undefined;
}

interface HungProviderOptions {
  readonly pairs: number;
  readonly armMs: number;
  readonly gatewayPerSecond: number;
  /** Each time with seeds of their own, or the keys would be replays. */
  readonly nextPlans: () => { readonly balance: LoadPlan; readonly gateway: LoadPlan };
  /** A checkpoint, so that no arm pays for another's writes. */
  readonly beforeArm: () => Promise<void>;
}

export async function measureHungProvider(stage: Stage): Promise<HungProviderReport> {
  const { options, context, providers } = stage;
  const armMs = sizeOf(stage, ARM_MS);
  const gatewayPerSecond = sizeOf(stage, GATEWAY_PER_SECOND);
  const report = await runHungProvider(context, providers, {
    pairs: options.pairs,
    armMs,
    gatewayPerSecond,
    nextPlans: () => ({
      balance: nextPlan(stage, { durationMs: armMs, waitingConnections: 0 }),
      gateway: nextPlan(stage, {
        method: 'gateway',
        durationMs: armMs - GATEWAY_ENDS_EARLIER_MS,
        ratePerSecond: gatewayPerSecond,
        waitingConnections: 0,
      }),
    }),
    beforeArm: () => checkpoint(stage.serverUrl),
  });
  for (const { balanceAccepted, gatewayAccepted } of armsOf(report.pairs))
    stage.stored += balanceAccepted + gatewayAccepted;
  return report;
}

async function runHungProvider(
  context: ScenarioContext,
  providers: readonly SandboxProvider[],
  options: HungProviderOptions,
): Promise<HungProviderReport> {
  const { armMs, gatewayPerSecond } = options;
  const arms = new Arms(context, providers, options);
  const pairs = await runPairs(options.pairs, (kind, index) => arms.run(kind, index));
  return {
    armMs,
    gatewayPerSecond,
    pairs,
    completedRatio: ratioOf(pairs, ({ completedPerSecond }) => completedPerSecond),
    acceptedRatio: ratioOf(pairs, ({ acceptedPerSecond }) => acceptedPerSecond),
  };
}

class Arms {
  readonly #context: ScenarioContext;
  readonly #providers: readonly SandboxProvider[];
  readonly #options: HungProviderOptions;

  constructor(context: ScenarioContext, providers: readonly SandboxProvider[], options: HungProviderOptions) {
    this.#context = context;
    this.#providers = providers;
    this.#options = options;
  }

  async run(kind: ArmKind, index: number): Promise<Arm> {
    const { api, onProgress } = this.#context;
    await this.#options.beforeArm();
    const watch = new CompletionWatch(api, ({ lagEvents }) =>
      onProgress(`pair ${index + 1}, providers ${PROVIDERS_ARE[kind]}: ${lagEvents} events waiting`),
    );
    await watch.untilRest();
    const before = await watch.read();
    const startedAt = new Date();
    if (kind === 'with') await Promise.all(this.#providers.map((provider) => provider.hang()));
    const { balance, gateway, startedAtMs } = await this.#load();
    const judged = kind === 'without' ? balance.accepted + gateway.accepted : balance.accepted;
    const judgedAtMs = await watch.untilJudged(before, judged);
    const judgedAfterMs = judgedAtMs === null ? null : judgedAtMs - startedAtMs;
    const givenUp = kind === 'without' ? 0 : await this.#countGivenUp(startedAt);
    const healed = await this.#heal(watch, before, balance.accepted + gateway.accepted);
    const ids = [...balance.sampleIds, ...gateway.sampleIds];
    return {
      ...armOf({ kind, balance, gateway, judgedAfterMs, givenUp, healed, before }),
      sampled: ids.length,
      sampledEnded: await countEnded(api, ids, ENDINGS),
    };
  }

  async #load(): Promise<{ balance: LoadResult; gateway: LoadResult; startedAtMs: number }> {
    let startedAtMs = 0;
    const plans = this.#options.nextPlans();
    const [balance, gateway] = await Promise.all([
      generateLoad(plans.balance, () => {
        startedAtMs = performance.now();
      }),
      generateLoad(plans.gateway, () => undefined),
    ]);
    return { balance, gateway, startedAtMs };
  }

  /** Payments that no provider took in time: their verdicts are not those of `balance` payments, which never fail here. */
  async #countGivenUp(startedAt: Date): Promise<number> {
    const { api } = this.#context;
    const failed = await listPayments(api, { status: 'failed', created_from: startedAt.toISOString() });
    return failed.length;
  }

  async #heal(watch: CompletionWatch, before: Snapshot, accepted: number): Promise<Drained> {
    await Promise.all(this.#providers.map((provider) => provider.recover()));
    const drained = await watch.drain(before, accepted, { stalledMs: PROVIDERS_STALLED_MS });
    const closedMs = await untilBreakers(this.#context.api, areClosed, BREAKERS_CLOSED_MS);
    if (closedMs === null) throw new Error('a breaker stays open though the providers are well');
    return drained;
  }
}

interface MeasuredArm {
  readonly kind: ArmKind;
  readonly balance: LoadResult;
  readonly gateway: LoadResult;
  /** From the first `balance` payment until as many verdicts as were waited for; null if they did not come. */
  readonly judgedAfterMs: number | null;
  /** Verdicts of other payments among those that were waited for. */
  readonly givenUp: number;
  readonly healed: Drained;
  readonly before: Snapshot;
}

export function armOf(measured: MeasuredArm): Omit<Arm, 'sampled' | 'sampledEnded'> {
  const { kind, balance, gateway, judgedAfterMs, givenUp, healed, before } = measured;
  const { snapshot, integrityLagMs } = healed;
  const complete = snapshot.complete - before.complete;
  const broken = snapshot.broken - before.broken;
  return {
    kind,
    balanceAccepted: balance.accepted,
    gatewayAccepted: gateway.accepted,
    acceptedPerSecond: (balance.acceptedInTime / balance.elapsedMs) * 1000,
    completedPerSecond:
      judgedAfterMs === null
        ? null
        : ((balance.accepted - givenUp) / Math.max(balance.elapsedMs, judgedAfterMs)) * 1000,
    unfinished: Math.max(0, balance.accepted + gateway.accepted - complete - broken),
    broken,
    healedMs: integrityLagMs,
    ...together(balance, gateway),
  };
}

/** What must hold whatever the speed: nothing lost on the way, and every payment ended once the providers are well. */
export function faultsOfHungProvider({ pairs }: HungProviderReport, judgement: Judgement): string[] {
  return pairs.flatMap((pair, index) =>
    [pair.without, pair.with].flatMap((arm) =>
      faultsOfArm(`hung-provider, pair ${index + 1}, providers ${PROVIDERS_ARE[arm.kind]}`, arm, judgement),
    ),
  );
}

function faultsOfArm(at: string, arm: Arm, judgement: Judgement): string[] {
  const { balanceAccepted, gatewayAccepted, unfinished, broken, sampled, sampledEnded } = arm;
  const candidates: [boolean, string][] = [
    [balanceAccepted === 0, 'no balance payment was accepted'],
    [gatewayAccepted === 0, 'no gateway payment was accepted'],
    [arm.completedPerSecond === null, 'balance payments had no verdict when nothing moved any more'],
    [unfinished > 0, `${unfinished} accepted payments have no verdict though the providers are well again`],
    [broken > 0, `${broken} payments are judged broken`],
    [sampledEnded < sampled || sampled === 0, `of ${sampled} payments only ${sampledEnded} ended`],
  ];
  const accepted = balanceAccepted + gatewayAccepted;
  return [
    ...candidates.filter(([holds]) => holds).map(([, text]) => `${at}: ${text}`),
    ...faultsOfLoad(at, { ...arm, accepted }, judgement),
  ];
}
