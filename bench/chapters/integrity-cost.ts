/**
 * What the integrity service costs at saturation: the same load on the product without it and with it. The arms differ by
 * one setting, LASTRO_SERVICES; for each the product is started anew on the same data.
 *
 * Payments are counted until no group but integrity has anything left, in both arms: without it nobody gives verdicts.
 * An arm begins when everything is worked off, what integrity had to catch up with from the arm before included.
 */
import { chapterOf, oneOrAll } from '../chapter.ts';
import type { Judgement } from '../judgement.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { faultsOfLoad, type Unaccepted, unacceptedRows } from '../load-figures.ts';
import { ARM_MS, nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type ArmKind, armsOf, type Pair, ratioOf, renderSlowing, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { CompletionWatch } from '../product/completion-watch.ts';
import { countCompleted } from '../product/payment-ends.ts';
import { servicesBut } from '../product/services.ts';
import { line, perSecond } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import { restartProduct, type Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

export interface IntegrityArm extends Unaccepted {
  readonly kind: ArmKind;
  readonly accepted: number;
  readonly acceptedPerSecond: number;
  /** By the time until no group on the way of a payment had anything left; null where that was not seen. */
  readonly completedPerSecond: number | null;
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
  faults: (reports, judgement) => reports.flatMap((report) => faultsOfIntegrityCost(report, judgement)),
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
    completedRatio: ratioOf(pairs, ({ completedPerSecond }) => completedPerSecond),
    acceptedRatio: ratioOf(pairs, ({ acceptedPerSecond }) => acceptedPerSecond),
  };
}

async function runArm(kind: ArmKind, index: number, options: IntegrityCostOptions): Promise<IntegrityArm> {
  const { api, onProgress } = await options.start(kind);
  const watch = new CompletionWatch(api, ({ lagEvents }) =>
    onProgress(`pair ${index + 1}, ${kind} integrity: ${lagEvents} events waiting`),
  );
  await generateLoad(options.planOf('warm-up'), () => undefined);
  await watch.untilRest({ isJudged: kind === 'with' });
  await options.beforeLoad();
  const before = await watch.read();
  let startedAtMs = 0;
  const load = await generateLoad(options.planOf('measured'), () => {
    startedAtMs = performance.now();
  });
  const { restAtMs } = await watch.drain(before, 0);
  return {
    ...armOf(kind, load, restAtMs === null ? null : restAtMs - startedAtMs),
    sampled: load.sampleIds.length,
    sampledCompleted: await countCompleted(api, load.sampleIds),
  };
}

/** `completedAfterMs`: from the first payment until nothing on their way was left. */
export function armOf(
  kind: ArmKind,
  load: LoadResult,
  completedAfterMs: number | null,
): Omit<IntegrityArm, 'sampled' | 'sampledCompleted'> {
  const { accepted, acceptedInTime, elapsedMs, refused, unexpected, dropped, unsent } = load;
  return {
    kind,
    accepted,
    acceptedPerSecond: (acceptedInTime / elapsedMs) * 1000,
    completedPerSecond:
      completedAfterMs === null ? null : (accepted / Math.max(elapsedMs, completedAfterMs)) * 1000,
    refused,
    unexpected,
    dropped,
    unsent,
  };
}

/** What must hold whatever the speed. */
export function faultsOfIntegrityCost({ pairs }: IntegrityCostReport, judgement: Judgement): string[] {
  return pairs.flatMap((pair, index) =>
    [pair.without, pair.with].flatMap((arm) =>
      faultsOfArm(`integrity, pair ${index + 1}, ${arm.kind} it`, arm, judgement),
    ),
  );
}

function faultsOfArm(at: string, arm: IntegrityArm, judgement: Judgement): string[] {
  const { completedPerSecond, sampled, sampledCompleted } = arm;
  const candidates: [boolean, string][] = [
    [completedPerSecond === null, 'something was left to do when nothing moved any more'],
    [
      sampledCompleted < sampled || sampled === 0,
      `of ${sampled} payments only ${sampledCompleted} completed`,
    ],
  ];
  return [
    ...candidates.filter(([holds]) => holds).map(([, text]) => `${at}: ${text}`),
    ...faultsOfLoad(at, arm, judgement),
  ];
}

function renderIntegrityCost({ completedRatio, acceptedRatio, pairs }: IntegrityCostReport): string {
  return [
    `payments slowed by the integrity service: ${renderSlowing(completedRatio)}, target < 10 %`,
    `  the same, by payments accepted: ${renderSlowing(acceptedRatio)}`,
    ...pairs.map(
      (pair, index) =>
        `  pair ${index + 1}, ${pair.first} first: completed/s ${perSecond(pair.without.completedPerSecond)} without, ${perSecond(pair.with.completedPerSecond)} with`,
    ),
    line(
      '  of the payments',
      armsOf(pairs).map(({ kind }) => kind),
    ),
    ...unacceptedRows(armsOf(pairs), '  '),
  ].join('\n');
}
