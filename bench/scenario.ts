/**
 * One scenario: load, then nothing until every payment has its verdict; what it took of the machine meanwhile, and
 * whether every accepted payment got where it should.
 *
 * S1: it begins with nothing lagging, so every verdict that comes belongs to it.
 * S2: completed per second counts until the last verdict, not only while the load lasts.
 */
import { generateLoad } from './load/generator-process.ts';
import type { LoadPlan, LoadResult } from './load/load-plan.ts';
import { type Usage, UsageMeter } from './measure/usage-meter.ts';
import { type Api, forEachConcurrently } from './product/api.ts';
import { CompletionWatch, type Drained, type Snapshot, type Worker } from './product/completion-watch.ts';

const MEMORY_EVERY_MS = 500;
const CONCURRENT_SAMPLES = 8;

export interface ScenarioContext {
  readonly api: Api;
  readonly pids: { readonly node: number; readonly postmaster: number | undefined };
  readonly onProgress: (text: string) => void;
}

export interface WorkerCost {
  readonly batches: number;
  readonly eventsPerBatch: number;
  /** From the beginning of its batches to their commits, waiting for the database included. */
  readonly usPerPayment: number;
}

export interface ScenarioReport {
  readonly name: string;
  readonly plan: Omit<LoadPlan, 'apiKey'>;
  readonly load: LoadResult;
  readonly acceptedPerSecond: number;
  /** Payments judged complete: six events, in order, agreeing. */
  readonly completed: number;
  readonly completedPerSecond: number;
  readonly broken: number;
  /** Accepted, and without a verdict when nothing moved any more. */
  readonly lost: number;
  readonly completionLagMs: number | null;
  readonly integrityLagMs: number | null;
  readonly maxLagEvents: number;
  readonly usage: Usage;
  readonly workers: Readonly<Record<string, WorkerCost>>;
  /** Payments looked at one by one, and how many of them were completed with a complete verdict. */
  readonly sampled: number;
  readonly sampledComplete: number;
}

export async function runScenario(
  context: ScenarioContext,
  name: string,
  plan: LoadPlan,
): Promise<ScenarioReport> {
  const { api, onProgress } = context;
  const meter = new UsageMeter(context.pids);
  const watch = new CompletionWatch(api, ({ complete, lagEvents }) =>
    onProgress(`${name}: ${complete} payments judged complete since the start, ${lagEvents} events waiting`),
  );
  const before = await watch.read();
  const memory = setInterval(() => meter.sample(), MEMORY_EVERY_MS);
  try {
    const load = await generateLoad(plan, () => {
      meter.start();
      watch.start();
    });
    await watch.stop();
    const drained = await watch.drain(before, load.accepted);
    const usage = meter.stop();
    const samples = await countComplete(api, load.sampleIds);
    return reportOf({
      name,
      plan,
      load,
      before,
      drained,
      usage,
      samples,
      maxLagEvents: watch.maxLagEvents,
    });
  } finally {
    clearInterval(memory);
    await watch.stop();
  }
}

/** By the API: the payment completed, and its verdict complete. */
async function countComplete(api: Api, ids: readonly string[]): Promise<number> {
  let complete = 0;
  await forEachConcurrently(ids, CONCURRENT_SAMPLES, async (id) => {
    const [payment, verdict] = await Promise.all([
      api.get(`/v1/payments/${id}`),
      api.get(`/v1/payments/${id}/verdict`),
    ]);
    const { status } = payment.body as { status?: string };
    const judged = verdict.body as { verdict?: string };
    if (status === 'completed' && judged.verdict === 'complete') complete += 1;
  });
  return complete;
}

interface Measured {
  readonly name: string;
  readonly plan: LoadPlan;
  readonly load: LoadResult;
  readonly before: Snapshot;
  readonly drained: Drained;
  readonly usage: Usage;
  readonly samples: number;
  readonly maxLagEvents: number;
}

function reportOf(measured: Measured): ScenarioReport {
  const { load, before, drained, usage } = measured;
  const { apiKey: _, ...plan } = measured.plan;
  const { snapshot } = drained;
  const completed = snapshot.complete - before.complete;
  const broken = snapshot.broken - before.broken;
  const untilLastVerdictMs = load.elapsedMs + Math.max(0, drained.integrityLagMs ?? 0); // S2
  return {
    name: measured.name,
    plan,
    load,
    acceptedPerSecond: (load.acceptedInTime / load.elapsedMs) * 1000,
    completed,
    completedPerSecond: (completed / untilLastVerdictMs) * 1000,
    broken,
    lost: Math.max(0, load.accepted - completed - broken),
    completionLagMs: drained.completionLagMs,
    integrityLagMs: drained.integrityLagMs,
    maxLagEvents: measured.maxLagEvents,
    usage,
    workers: workerCosts(before, snapshot, load.accepted),
    sampled: load.sampleIds.length,
    sampledComplete: measured.samples,
  };
}

function workerCosts(before: Snapshot, after: Snapshot, payments: number): Record<string, WorkerCost> {
  const none: Worker = { batches: 0, events: 0, seconds: 0 };
  const costs = Object.entries(after.workers).map(([name, worker]): [string, WorkerCost] => {
    const earlier = before.workers[name] ?? none;
    const batches = worker.batches - earlier.batches;
    return [
      name,
      {
        batches,
        eventsPerBatch: batches === 0 ? 0 : (worker.events - earlier.events) / batches,
        usPerPayment: payments === 0 ? 0 : ((worker.seconds - earlier.seconds) * 1e6) / payments,
      },
    ];
  });
  return Object.fromEntries(costs);
}

/** What must hold of any run, whatever its speed; `strict`: also that nothing was refused. */
export function faultsOf(report: ScenarioReport, { strict }: { strict: boolean }): string[] {
  const { name, load } = report;
  const unexpected = Object.entries(load.unexpected).map(([status, count]) => `${count} × ${status}`);
  const candidates: [boolean, string][] = [
    [load.accepted === 0, 'no payment was accepted'],
    [report.lost > 0, `${report.lost} accepted payments have no verdict`],
    [report.broken > 0, `${report.broken} payments are judged broken`],
    [
      report.sampledComplete < report.sampled,
      `of ${report.sampled} payments only ${report.sampledComplete} completed`,
    ],
    [unexpected.length > 0, `unexpected answers: ${unexpected.join(', ')}`],
    [load.dropped > 0, `${load.dropped} requests without an answer`],
    [strict && load.refused > 0, `${load.refused} requests refused below capacity`],
    [strict && load.incomplete > 0, `${load.incomplete} requests did not see their final state`],
  ];
  return candidates.filter(([holds]) => holds).map(([, text]) => `${name}: ${text}`);
}
