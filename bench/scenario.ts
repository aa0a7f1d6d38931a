/**
 * One scenario: load, then nothing until every payment has its verdict; what it took of the machine meanwhile, and
 * whether every accepted payment got where it should.
 *
 * S1: it begins when nothing lags, so every verdict that comes belongs to it.
 * S2: completed per second counts from the first request until the last verdict on one clock, not only while the load lasts,
 *     and also where verdicts are missing.
 */

import type { Judgement } from './judgement.ts';
import { generateLoad, type RunningGenerator } from './load/generator-process.ts';
import type { LoadPlan, LoadResult } from './load/load-plan.ts';
import { faultsOfLoad } from './load-figures.ts';
import { type MeteredPids, type Usage, UsageMeter } from './measure/usage-meter.ts';
import type { Api } from './product/api.ts';
import {
  CompletionWatch,
  type Drained,
  judgedSince,
  type Snapshot,
  type Worker,
} from './product/completion-watch.ts';
import type { GatewayFigures } from './product/gateway-meter.ts';
import { countEnded } from './product/payment-ends.ts';
import { sum } from './report-format.ts';

/** Where somebody looks at when what has completed. A scrape costs the product 3 ms, so this is for a light load. */
const CLOSE_WATCH_MS = 100;
/** Where payments wait for a provider: it is asked every 30 s at last, so nothing may move for longer than that. */
export const PROVIDERS_STALLED_MS = 90_000;

export interface ScenarioContext {
  readonly api: Api;
  readonly pids: MeteredPids;
  readonly onProgress: (text: string) => void;
}

export interface ScenarioOptions {
  /** Done from the first request on, beside the load; awaited before the payments are. */
  readonly meanwhile?: () => Promise<void>;
  readonly onSnapshot?: (snapshot: Snapshot) => void;
  /** How its payments may end; by default as `completed` alone. */
  readonly endings?: ReadonlySet<string>;
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
  /** Payments judged complete: every event of their saga, in order, agreeing. */
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
  /** Payments looked at one by one, and how many of them ended as they should, with a complete verdict. */
  readonly sampled: number;
  readonly sampledComplete: number;
  /** Of payments by a provider. */
  readonly gateway?: GatewayFigures;
}

export async function runScenario(
  context: ScenarioContext,
  name: string,
  plan: LoadPlan,
  { meanwhile, onSnapshot, endings }: ScenarioOptions = {},
): Promise<ScenarioReport> {
  const { api, onProgress } = context;
  const meter = new UsageMeter(context.pids);
  let generator: RunningGenerator | undefined;
  const watch = new CompletionWatch(
    api,
    (snapshot) => {
      const { complete, lagEvents } = snapshot;
      onProgress(
        `${name}: ${complete} payments judged complete since the start, ${lagEvents} events waiting`,
      );
      generator?.noteFinished(judgedSince(before, snapshot));
      onSnapshot?.(snapshot);
    },
    onSnapshot === undefined ? {} : { pollMs: CLOSE_WATCH_MS },
  );
  await watch.untilRest(); // S1
  const before = await watch.read();
  let startedAtMs = 0;
  try {
    let beside: Promise<void> | undefined;
    const load = await generateLoad(plan, (running) => {
      if (plan.maxUnfinished !== null) generator = running;
      startedAtMs = performance.now();
      meter.start();
      watch.start();
      beside = meanwhile?.();
      // Awaited below; until then a failure of it must not end the process.
      beside?.catch(() => undefined);
    });
    await beside;
    await watch.stop();
    const stalled = plan.method === 'gateway' ? { stalledMs: PROVIDERS_STALLED_MS } : {};
    const drained = await watch.drain(before, load.accepted, stalled);
    const usage = meter.stop();
    const samples = await countEnded(api, load.sampleIds, endings);
    return reportOf({
      name,
      plan,
      load,
      startedAtMs,
      before,
      drained,
      usage,
      samples,
      maxLagEvents: watch.maxLagEvents,
    });
  } finally {
    await watch.stop();
  }
}

export interface Measured {
  readonly name: string;
  readonly plan: LoadPlan;
  readonly load: LoadResult;
  readonly startedAtMs: number;
  readonly before: Snapshot;
  readonly drained: Drained;
  readonly usage: Usage;
  readonly samples: number;
  readonly maxLagEvents: number;
}

export function reportOf(measured: Measured): ScenarioReport {
  const { load, startedAtMs, before, drained, usage } = measured;
  const { apiKey: _, ...plan } = measured.plan;
  const { snapshot } = drained;
  const completed = snapshot.complete - before.complete;
  const broken = snapshot.broken - before.broken;
  const untilLastVerdictMs = Math.max(load.elapsedMs, drained.lastVerdictAtMs - startedAtMs); // S2
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
export function faultsOf(report: ScenarioReport, { strict }: Judgement): string[] {
  const { name, load } = report;
  const { accepted, incomplete, finalStates } = load;
  const judged = report.completed + report.broken;
  // What became of a request that was refused or not answered is not known: there may be a payment.
  const others = load.refused + load.dropped + sum(Object.values(load.unexpected));
  const ended = Object.entries(finalStates).filter(([state]) => state !== 'completed');
  const candidates: [boolean, string][] = [
    [
      judged > accepted + others,
      `${judged} verdicts on ${accepted} payments: not all of them are of this load`,
    ],
    [
      ended.length > 0,
      `payments ended otherwise: ${ended.map(([state, count]) => `${count} ${state}`).join(', ')}`,
    ],
    [accepted > 0 && report.sampled === 0, 'no payment could be looked at'],
    [report.lost > 0, `${report.lost} accepted payments have no verdict`],
    [report.broken > 0, `${report.broken} payments are judged broken`],
    [
      report.sampledComplete < report.sampled,
      `of ${report.sampled} payments only ${report.sampledComplete} ended as they should`,
    ],
    [strict && incomplete > 0, `${incomplete} requests did not see their final state`],
  ];
  const faults = candidates.filter(([holds]) => holds).map(([, text]) => `${name}: ${text}`);
  return [...faultsOfLoad(name, load, { strict }), ...faults];
}
