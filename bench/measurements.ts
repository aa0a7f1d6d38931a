/** The scenarios of a run, one after the other, each by its chapter. */
import type { ChapterRun } from './chapter.ts';
import { CHAPTERS } from './chapters.ts';
import type { Judgement } from './judgement.ts';
import { sizeOf, WARM_UP_MS } from './load-plans.ts';
import { gatewayPlan, loadPayments } from './payment-load.ts';
import { faultsOf } from './scenario.ts';
import type { Stage } from './stage.ts';
import { type CostPoint, FEW_STORED, measureCost } from './stored-cost.ts';

export interface Measurements {
  readonly chapters: readonly ChapterRun[];
  /** Cost of a payment at few and at many stored ones; empty unless asked for. */
  readonly costs: readonly CostPoint[];
}

export async function measure(stage: Stage): Promise<Measurements> {
  const { fill, scenarios } = stage.options;
  const chapters = CHAPTERS.map((chapter) => chapter.begin());
  const costs: CostPoint[] = [];
  await warmUp(stage);
  if (fill !== undefined) costs.push(await measureCost(stage, FEW_STORED));
  for (const name of scenarios) {
    stage.progress.step(`measuring: ${name}`);
    for (const chapter of chapters) await chapter.measure(stage, name);
  }
  if (fill !== undefined) costs.push(await measureCost(stage, fill));
  return { chapters, costs };
}

/** What must hold of all of it; `strict`: also that nothing was refused. */
export function faultsOfMeasurements({ chapters, costs }: Measurements, judgement: Judgement): string[] {
  return [
    ...chapters.flatMap((chapter) => chapter.faults(judgement)),
    ...costs.flatMap(({ scenario }) => faultsOf(scenario, judgement)),
  ];
}

async function warmUp(stage: Stage): Promise<void> {
  const durationMs = sizeOf(stage, WARM_UP_MS);
  stage.progress.step('warming up');
  await loadPayments(stage, 'warm-up', { durationMs });
  if (stage.providers.length > 0)
    await loadPayments(stage, 'warm-up by providers', { ...gatewayPlan(stage), durationMs });
}
