/**
 * Whether entries notice the consolidation: the same open loop of cash entries on the product without it and with it. The arms
 * differ by one setting, LASTRO_SERVICES; for each the product is started anew on the same data, and has counted what the arm
 * before left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { chapterOf, oneOrAll } from '../chapter.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { ARM_MS, nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type ArmKind, type Pair, ratioOf, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { CompletionWatch } from '../product/completion-watch.ts';
import { servicesBut } from '../product/services.ts';
import { duration, line } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import { restartProduct, type Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';
import { faultsOfEntries, prepareEntries } from './cash-entries.ts';

const CATCH_UP_POLL_MS = 200;
const CATCH_UP_TIMEOUT_MS = 120_000;

interface ConsolidationCostReport {
  readonly pairs: readonly Pair<LoadResult>[];
  readonly p99Ratio: Spread | undefined;
  readonly p50Ratio: Spread | undefined;
}

interface ConsolidationCostOptions {
  readonly pairs: number;
  /** The product started anew, with the consolidation or without. */
  readonly start: (kind: ArmKind) => Promise<ScenarioContext>;
  /** Each time with a seed of its own. The first load of an arm fills caches and is not counted. */
  readonly planOf: (part: 'warm-up' | 'measured') => LoadPlan;
  /** A checkpoint, so that no arm pays for another's writes. */
  readonly beforeLoad: () => Promise<void>;
}

export const CONSOLIDATION_COST = chapterOf<ConsolidationCostReport>({
  scenarios: [{ name: 'consolidation', runs: 'full', measure: measureConsolidationCost }],
  faults: (reports) => reports.flatMap(faultsOfConsolidationCost),
  render: (reports) => reports.map(renderConsolidationCost),
  record: (reports) => ({ consolidationCost: oneOrAll(reports) }),
});

async function measureConsolidationCost(stage: Stage): Promise<ConsolidationCostReport> {
  const durations = { 'warm-up': sizeOf(stage, WARM_UP_MS), measured: sizeOf(stage, ARM_MS) };
  const plan = await prepareEntries(stage);
  const ratePerSecond = stage.options.rate;
  const report = await runConsolidationCost({
    pairs: stage.options.pairs,
    start: async (kind) => {
      await restartProduct(stage, servicesBut(kind === 'with' ? undefined : 'consolidation'));
      return stage.context;
    },
    planOf: (part) => nextPlan(stage, { ...plan, ratePerSecond, durationMs: durations[part] }),
    beforeLoad: () => checkpoint(stage.serverUrl),
  });
  await restartProduct(stage, {});
  return report;
}

async function runConsolidationCost(options: ConsolidationCostOptions): Promise<ConsolidationCostReport> {
  const pairs = await runPairs(options.pairs, (kind, index) => runArm(kind, index, options));
  return {
    pairs,
    p99Ratio: ratioOf(pairs, ({ acceptance }) => acceptance.p99Ms ?? Number.NaN),
    p50Ratio: ratioOf(pairs, ({ acceptance }) => acceptance.p50Ms ?? Number.NaN),
  };
}

async function runArm(
  kind: ArmKind,
  index: number,
  { start, planOf, beforeLoad }: ConsolidationCostOptions,
): Promise<LoadResult> {
  const { api, onProgress } = await start(kind);
  await generateLoad(planOf('warm-up'), () => undefined);
  if (kind === 'with')
    await untilCounted(
      new CompletionWatch(api, ({ lagEvents }) =>
        onProgress(`pair ${index + 1}: ${lagEvents} events waiting`),
      ),
    );
  await beforeLoad();
  return generateLoad(planOf('measured'), () => undefined);
}

async function untilCounted(watch: CompletionWatch): Promise<void> {
  const deadline = performance.now() + CATCH_UP_TIMEOUT_MS;
  while ((await watch.read()).lagEvents > 0) {
    if (performance.now() > deadline) throw new Error('the consolidation does not catch up');
    await delay(CATCH_UP_POLL_MS);
  }
}

/** What must hold whatever the speed. */
function faultsOfConsolidationCost({ pairs }: ConsolidationCostReport): string[] {
  return pairs.flatMap((pair, index) =>
    [pair.without, pair.with].flatMap((load) => faultsOfEntries(`consolidation, pair ${index + 1}`, load)),
  );
}

function renderConsolidationCost(report: ConsolidationCostReport): string {
  const arms = report.pairs.flatMap((pair) => [
    { kind: 'without', load: pair.without },
    { kind: 'with', load: pair.with },
  ]);
  const row = (label: string, value: (arm: (typeof arms)[number]) => string): string =>
    line(label, arms.map(value));
  return [
    row('entries, the consolidation', ({ kind }) => kind),
    row('to the answer, p50', ({ load }) => duration(load.acceptance.p50Ms)),
    row('to the answer, p99', ({ load }) => duration(load.acceptance.p99Ms)),
    `p99 with it by p99 without: ${spreadText(report.p99Ratio)}, target 0.9 to 1.1`,
    `p50 with it by p50 without: ${spreadText(report.p50Ratio)}`,
  ].join('\n');
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return 'n/a';
  const { median, least, most, count } = spread;
  return `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)}, ${count} pairs)`;
}
