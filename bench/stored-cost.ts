/** What a payment costs as more and more are stored: the same load on and on, told by stretches. */
import { goOnLoading } from './payment-load.ts';
import { cpuEach, line, whole } from './report-format.ts';
import type { ScenarioReport } from './scenario.ts';
import type { Stage } from './stage.ts';
import { checkpoint } from './yardsticks/yardstick-database.ts';

/** Where the first stretch begins, or where the warm-up has led. */
const FEW_STORED = 10_000;
/**
 * Behind a checkpoint each page is written whole once, so a payment costs most then, and one begins by itself every 450
 * thousand payments (4.2 GB of WAL): a shorter stretch would tell where in that it lay.
 */
const STRETCH = 500_000;
/** A stretch is bounded by its count; this is for a product that has stopped accepting. */
const STRETCH_TIMEOUT_MS = 6 * 3600 * 1000;

export interface CostStretch {
  readonly fromStored: number;
  readonly toStored: number;
  readonly scenario: ScenarioReport;
}

/** Stores payments until there are so many; each stretch is given when it has been measured, so that a later failure leaves it. */
export async function measureCosts(
  stage: Stage,
  stored: number,
  onStretch: (stretch: CostStretch) => void,
): Promise<void> {
  if (stage.stored < FEW_STORED) await store(stage, FEW_STORED);
  // None is forced between stretches: they come when they would.
  await checkpoint(stage.serverUrl);
  for (const toStored of stretchEnds(stage.stored, stored)) {
    const fromStored = stage.stored;
    const scenario = await store(stage, toStored);
    onStretch({ fromStored, toStored: stage.stored, scenario });
  }
}

/** Equal stretches, of about half a million each, and at least two. */
export function stretchEnds(from: number, to: number): number[] {
  const count = Math.max(2, Math.round((to - from) / STRETCH));
  return Array.from({ length: count }, (_, index) =>
    Math.round(from + ((to - from) * (index + 1)) / count),
  ).filter((end) => end > from);
}

function store(stage: Stage, toStored: number): Promise<ScenarioReport> {
  stage.progress.step(`storing payments, from ${whole(stage.stored)} to ${whole(toStored)}`);
  return goOnLoading(stage, `to ${toStored} stored`, {
    durationMs: STRETCH_TIMEOUT_MS,
    maxRequests: toStored - stage.stored,
    waitingConnections: 0,
  });
}

export function renderCosts(costs: readonly CostStretch[]): string {
  if (costs.length === 0) return '';
  const rows = costs.map(({ fromStored, toStored, scenario: { completedPerSecond, usage, load } }) =>
    line(`${whole(fromStored)} to ${whole(toStored)}`, [
      whole(completedPerSecond),
      cpuEach(usage.nodeCpuUs, load.accepted),
      cpuEach(usage.postgresCpuUs, load.accepted),
      cpuEach(load.cpuUs, load.accepted),
    ]),
  );
  return [line('stored payments', ['completed/s', 'Node CPU', 'PostgreSQL', 'generator']), ...rows].join(
    '\n',
  );
}
