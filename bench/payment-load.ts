/** A load of payments on the stage, and how many it has stored by now. */
import type { LoadPlan } from './load/load-plan.ts';
import { nextPlan, sizeOf } from './load-plans.ts';
import { runScenario, type ScenarioReport } from './scenario.ts';
import type { Stage } from './stage.ts';
import { checkpoint } from './yardsticks/yardstick-database.ts';

/**
 * Payments by a provider on their way at most. One takes half a second with its verdict and the watch's look at it, so
 * this lets some 4000 a second through; and whoever waits for a provider is never older than a second.
 */
const GATEWAY_UNFINISHED = { full: 2000, quick: 100 } as const;

export async function loadPayments(
  stage: Stage,
  name: string,
  plan: Partial<LoadPlan>,
): Promise<ScenarioReport> {
  await checkpoint(stage.serverUrl);
  return goOnLoading(stage, name, plan);
}

/** Without a checkpoint before it. */
export async function goOnLoading(
  stage: Stage,
  name: string,
  plan: Partial<LoadPlan>,
): Promise<ScenarioReport> {
  const report = await runScenario(stage.context, name, nextPlan(stage, plan));
  stage.stored += report.load.accepted;
  return report;
}

export function gatewayPlan(stage: Stage): Partial<LoadPlan> {
  return { method: 'gateway', maxUnfinished: sizeOf(stage, GATEWAY_UNFINISHED) };
}
