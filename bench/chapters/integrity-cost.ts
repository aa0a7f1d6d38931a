/**
 * What the integrity service costs at saturation: the same load on the product without it and with it. The arms differ by
 * one setting, LASTRO_SERVICES; for each the product is started anew on the same data.
 *
 * Payments are counted until no group but integrity has anything left, in both arms: without it nobody gives verdicts.
 * An arm begins when everything is worked off, what integrity had to catch up with from the arm before included.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { chapterOf, oneOrAll } from '../chapter.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { ARM_MS, nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type ArmKind, armsOf, type Pair, ratioOf, renderSlowing, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { CompletionWatch } from '../product/completion-watch.ts';
import { countCompleted } from '../product/payment-ends.ts';
import { servicesBut } from '../product/services.ts';
import { NOT_KNOWN, whole } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import { restartProduct, type Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

const CATCH_UP_POLL_MS = 100;
/** Two looks of the product at its lag apart: the first may have been an old one. */
const CAUGHT_UP_LOOKS = 3;
/** A backlog of an arm at some thousand payments a second, judged at some ten thousand. */
const CATCH_UP_TIMEOUT_MS = 120_000;

export interface IntegrityArm {
  readonly kind: ArmKind;
  readonly accepted: number;
  readonly acceptedPerSecond: number;
  /** By the time until no group on the way of a payment had anything left; null where that was not seen. */
  readonly completedPerSecond: number | null;
  readonly unexpected: Readonly<Record<string, number>>;
  readonly dropped: number;
  readonly sampled: number;
  readonly sampledCompleted: number;
}

export interface IntegrityCostReport {
  readonly armMs: number;
  readonly pairs: readonly Pair<IntegrityArm>[];
  readonly completedRatio: Spread | undefined;
  readonly acceptedRatio: Spread | undefined;
}

interface IntegrityCostOptions {
  readonly pairs: number;
  readonly armMs: number;
  /** The product started anew, with integrity or without. */
  readonly start: (kind: ArmKind) => Promise<ScenarioContext>;
  /** Each time with a seed of its own. The first load of an arm fills caches and is not counted. */
  readonly planOf: (part: 'warm-up' | 'measured') => LoadPlan;
  /** A checkpoint, so that no arm pays for another's writes. */
  readonly beforeLoad: () => Promise<void>;
}

export const INTEGRITY_COST = chapterOf<IntegrityCostReport>({
  scenarios: [{ name: 'integrity', runs: 'full', measure: measureIntegrityCost }],
  faults: (reports) => reports.flatMap(faultsOfIntegrityCost),
  render: (reports) => reports.map(renderIntegrityCost),
  record: (reports) => ({ integrityCost: oneOrAll(reports) }),
});

/** Afterwards the product is as it was, but for its port: providers would call back to the old one. */
async function measureIntegrityCost(stage: Stage): Promise<IntegrityCostReport> {
  const armMs = sizeOf(stage, ARM_MS);
  const durations = { 'warm-up': sizeOf(stage, WARM_UP_MS), measured: armMs };
  const report = await runIntegrityCost({
    pairs: stage.options.pairs,
    armMs,
    start: async (kind) => {
      await restartProduct(stage, servicesBut(kind === 'with' ? undefined : 'integrity'));
      return stage.context;
    },
    planOf: (part) => nextPlan(stage, { durationMs: durations[part], waitingConnections: 0 }),
    beforeLoad: () => checkpoint(stage.serverUrl),
  });
  await restartProduct(stage, {});
  for (const { accepted } of armsOf(report.pairs)) stage.stored += accepted;
  return report;
}

async function runIntegrityCost(options: IntegrityCostOptions): Promise<IntegrityCostReport> {
  const pairs = await runPairs(options.pairs, (kind, index) => runArm(kind, index, options));
  return {
    armMs: options.armMs,
    pairs,
    completedRatio: ratioOf(pairs, ({ completedPerSecond }) => completedPerSecond ?? Number.NaN),
    acceptedRatio: ratioOf(pairs, ({ acceptedPerSecond }) => acceptedPerSecond),
  };
}

async function runArm(kind: ArmKind, index: number, options: IntegrityCostOptions): Promise<IntegrityArm> {
  const { api, onProgress } = await options.start(kind);
  const watch = new CompletionWatch(api, ({ lagEvents }) =>
    onProgress(`pair ${index + 1}, ${kind} integrity: ${lagEvents} events waiting`),
  );
  await generateLoad(options.planOf('warm-up'), () => undefined);
  await untilCaughtUp(watch, kind);
  await options.beforeLoad();
  const before = await watch.read();
  const load = await generateLoad(options.planOf('measured'), () => undefined);
  const { completionLagMs } = await watch.drain(before, 0);
  return {
    ...armOf(kind, load, completionLagMs),
    sampled: load.sampleIds.length,
    sampledCompleted: await countCompleted(api, load.sampleIds),
  };
}

async function untilCaughtUp(watch: CompletionWatch, kind: ArmKind): Promise<void> {
  const deadline = performance.now() + CATCH_UP_TIMEOUT_MS;
  for (let looks = 0; looks < CAUGHT_UP_LOOKS; ) {
    const { lagEvents, integrityLagEvents } = await watch.read();
    const waiting = lagEvents + (kind === 'with' ? integrityLagEvents : 0);
    looks = waiting === 0 ? looks + 1 : 0;
    if (performance.now() > deadline) throw new Error(`${waiting} events still wait, ${kind} integrity`);
    await delay(CATCH_UP_POLL_MS);
  }
}

export function armOf(
  kind: ArmKind,
  load: LoadResult,
  completionLagMs: number | null,
): Omit<IntegrityArm, 'sampled' | 'sampledCompleted'> {
  const { accepted, acceptedInTime, elapsedMs, unexpected, dropped } = load;
  return {
    kind,
    accepted,
    acceptedPerSecond: (acceptedInTime / elapsedMs) * 1000,
    completedPerSecond: completionLagMs === null ? null : (accepted / (elapsedMs + completionLagMs)) * 1000,
    unexpected,
    dropped,
  };
}

/** What must hold whatever the speed. */
export function faultsOfIntegrityCost({ pairs }: IntegrityCostReport): string[] {
  return pairs.flatMap((pair, index) =>
    [pair.without, pair.with].flatMap((arm) =>
      faultsOfArm(arm).map((text) => `integrity, pair ${index + 1}, ${arm.kind} it: ${text}`),
    ),
  );
}

function faultsOfArm(arm: IntegrityArm): string[] {
  const statuses = Object.entries(arm.unexpected).map(([status, count]) => `${count} × ${status}`);
  const candidates: [boolean, string][] = [
    [arm.accepted === 0, 'no payment was accepted'],
    [arm.completedPerSecond === null, 'something was left to do when nothing moved any more'],
    [arm.sampledCompleted < arm.sampled, `of ${arm.sampled} payments only ${arm.sampledCompleted} completed`],
    [statuses.length > 0, `unexpected answers: ${statuses.join(', ')}`],
    [arm.dropped > 0, `${arm.dropped} requests without an answer`],
  ];
  return candidates.filter(([holds]) => holds).map(([, text]) => text);
}

function renderIntegrityCost({ completedRatio, acceptedRatio, pairs }: IntegrityCostReport): string {
  const rate = (value: number | null) => (value === null ? NOT_KNOWN : whole(value));
  return [
    `payments slowed by the integrity service: ${renderSlowing(completedRatio)}, target < 10 %`,
    `  the same, by payments accepted: ${renderSlowing(acceptedRatio)}`,
    ...pairs.map(
      (pair, index) =>
        `  pair ${index + 1}, ${pair.first} first: completed/s ${rate(pair.without.completedPerSecond)} without, ${rate(pair.with.completedPerSecond)} with`,
    ),
  ].join('\n');
}
