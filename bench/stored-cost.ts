/** What a payment costs when so many are stored already: the same load at few and at many. */
import { sizeOf } from './load-plans.ts';
import { loadPayments } from './payment-load.ts';
import { cpuEach, line, whole } from './report-format.ts';
import type { ScenarioReport } from './scenario.ts';
import type { Stage } from './stage.ts';

/** The lower point of the comparison. */
export const FEW_STORED = 10_000;
const COST_MS = { full: 20_000, quick: 2000 } as const;
/** Filling is bounded by its count; this is for a product that has stopped accepting. */
const FILL_TIMEOUT_MS = 6 * 3600 * 1000;

export interface CostPoint {
  readonly storedPayments: number;
  readonly scenario: ScenarioReport;
}

/** When at least so many are stored. */
export async function measureCost(stage: Stage, storedPayments: number): Promise<CostPoint> {
  const missing = storedPayments - stage.stored;
  if (missing > 0) {
    stage.progress.step(`storing ${missing} payments`);
    const plan = { durationMs: FILL_TIMEOUT_MS, maxRequests: missing, waitingConnections: 0 };
    await loadPayments(stage, 'fill', plan);
  }
  const point = stage.stored;
  stage.progress.step(`measuring the cost of a payment at ${point} stored ones`);
  const durationMs = sizeOf(stage, COST_MS);
  return { storedPayments: point, scenario: await loadPayments(stage, `at ${point} stored`, { durationMs }) };
}

export function renderCosts(costs: readonly CostPoint[]): string {
  if (costs.length === 0) return '';
  const row = (label: string, value: (point: CostPoint) => string): string => line(label, costs.map(value));
  return [
    row('stored payments', ({ storedPayments }) => whole(storedPayments)),
    row('completed/s', ({ scenario }) => whole(scenario.completedPerSecond)),
    row('Node CPU per payment', ({ scenario: { usage, load } }) => cpuEach(usage.nodeCpuUs, load.accepted)),
    row('PostgreSQL CPU per payment', ({ scenario: { usage, load } }) =>
      cpuEach(usage.postgresCpuUs, load.accepted),
    ),
  ].join('\n');
}
