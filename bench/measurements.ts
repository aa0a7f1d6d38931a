/** The scenarios of a run, one after the other, each by its chapter. */
import type { ChapterRun } from './chapter.ts';
import { CHAPTERS } from './chapters.ts';
import type { Judgement } from './judgement.ts';
import { sizeOf, WARM_UP_MS } from './load-plans.ts';
import { gatewayPlan, loadPayments } from './payment-load.ts';
import { faultsOf } from './scenario.ts';
import type { Stage } from './stage.ts';
import { type CostStretch, measureCosts } from './stored-cost.ts';

export interface Measurements {
  readonly chapters: readonly ChapterRun[];
  /** Of a payment, the more are stored; empty unless asked for. */
  readonly costs: readonly CostStretch[];
  /** By what the run ended early; what was measured before it stands. */
  readonly failure: string | undefined;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<void>;
}

export async function measure(stage: Stage): Promise<Measurements> {
  const { fill, scenarios } = stage.options;
  const chapters = CHAPTERS.map((chapter) => chapter.begin());
  const costs: CostStretch[] = [];
  const failure = await runUntilFailure([
    { name: 'warm-up', run: () => warmUp(stage) },
    ...(fill === undefined
      ? []
      : [{ name: 'the filling', run: () => measureCosts(stage, fill, (stretch) => costs.push(stretch)) }]),
    ...scenarios.map((name) => ({ name, run: () => measureScenario(stage, chapters, name) })),
  ]);
  return { chapters, costs, failure };
}

/** What the first one fails by: the product is not what it was, so what would come after it is not measured. */
export async function runUntilFailure(steps: readonly Step[]): Promise<string | undefined> {
  for (const { name, run } of steps) {
    try {
      await run();
    } catch (error) {
      return `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    }
  }
  return undefined;
}

async function measureScenario(stage: Stage, chapters: readonly ChapterRun[], name: string): Promise<void> {
  stage.progress.step(`measuring: ${name}`);
  for (const chapter of chapters) await chapter.measure(stage, name);
}

/** What must hold of all of it; `strict`: also that nothing was refused. */
export function faultsOfMeasurements(
  { chapters, costs, failure }: Measurements,
  judgement: Judgement,
): string[] {
  return [
    ...chapters.flatMap((chapter) => chapter.faults(judgement)),
    ...costs.flatMap(({ scenario }) => faultsOf(scenario, judgement)),
    ...(failure === undefined ? [] : [failure]),
  ];
}

async function warmUp(stage: Stage): Promise<void> {
  const durationMs = sizeOf(stage, WARM_UP_MS);
  stage.progress.step('warming up');
  await loadPayments(stage, 'warm-up', { durationMs });
  if (stage.providers.length > 0)
    await loadPayments(stage, 'warm-up by providers', { ...gatewayPlan(stage), durationMs });
}
