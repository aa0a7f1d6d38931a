/**
 * Whether entries notice the consolidation: the same open loop of cash entries on the product without it and with it. The arms
 * differ by one setting, LASTRO_SERVICES; for each the product is started anew on the same data, and has counted what the arm
 * before left.
 */
import { chapterOf, oneOrAll } from '../chapter.ts';
import type { Judgement } from '../judgement.ts';
import { generateLoad } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { answerRows, faultsOfLoad, unacceptedRows } from '../load-figures.ts';
import { ARM_MS, nextPlan, sizeOf, WARM_UP_MS } from '../load-plans.ts';
import { type ArmKind, type Pair, ratioOf, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { CompletionWatch } from '../product/completion-watch.ts';
import { servicesBut } from '../product/services.ts';
import { line } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import { restartProduct, type Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';
import { prepareEntries } from './cash-entries.ts';

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
  faults: (reports, judgement) => reports.flatMap((report) => faultsOfConsolidationCost(report, judgement)),
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
    p99Ratio: ratioOf(pairs, ({ acceptance }) => acceptance.p99Ms),
    p50Ratio: ratioOf(pairs, ({ acceptance }) => acceptance.p50Ms),
  };
}

async function runArm(
  kind: ArmKind,
  index: number,
  { start, planOf, beforeLoad }: ConsolidationCostOptions,
): Promise<LoadResult> {
  const { api, onProgress } = await start(kind);
  const watch = new CompletionWatch(api, ({ lagEvents }) =>
    onProgress(`pair ${index + 1}: ${lagEvents} events waiting`),
  );
  await generateLoad(planOf('warm-up'), () => undefined);
  if (kind === 'with') await watch.untilRest();
  await beforeLoad();
  return generateLoad(planOf('measured'), () => undefined);
}

/** What must hold whatever the speed. */
function faultsOfConsolidationCost({ pairs }: ConsolidationCostReport, judgement: Judgement): string[] {
  return pairs.flatMap((pair, index) =>
    [pair.without, pair.with].flatMap((load) =>
      faultsOfLoad(`consolidation, pair ${index + 1}`, load, judgement),
    ),
  );
}

function renderConsolidationCost(report: ConsolidationCostReport): string {
  const arms = report.pairs.flatMap((pair) => [
    { kind: 'without', load: pair.without },
    { kind: 'with', load: pair.with },
  ]);
  const loads = arms.map(({ load }) => load);
  return [
    line(
      'entries, the consolidation',
      arms.map(({ kind }) => kind),
    ),
    ...unacceptedRows(loads),
    ...answerRows('to the answer', loads),
    `p99 with it by p99 without: ${spreadText(report.p99Ratio)}, target 0.9 to 1.1`,
    `p50 with it by p50 without: ${spreadText(report.p50Ratio)}`,
  ].join('\n');
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return 'n/a';
  const { median, least, most, count } = spread;
  return `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)}, ${count} pairs)`;
}
