/**
 * A load whose answers are the whole of it for the caller, and what it took of the machine until everything that follows an
 * answer was done as well: events that nobody waits for are part of what a request costs.
 *
 * It begins when nothing lags, so that it pays for nothing of what was before, and its cost ends when nothing lags any more.
 */
import { generateLoad } from './load/generator-process.ts';
import type { LoadPlan, LoadResult } from './load/load-plan.ts';
import { type Usage, UsageMeter } from './measure/usage-meter.ts';
import { CompletionWatch } from './product/completion-watch.ts';
import type { ScenarioContext } from './scenario.ts';

export interface MeteredLoad {
  readonly load: LoadResult;
  /** Answered within the load's time, by that time. */
  readonly perSecond: number;
  /** From the last answer until nothing lagged. */
  readonly lagMs: number;
  /** From the first request until nothing lagged. */
  readonly usage: Usage;
  /** Of another load that was under way as long. */
  readonly beside: LoadResult | undefined;
}

export async function runMeteredLoad(
  { api, pids, onProgress }: ScenarioContext,
  name: string,
  { plan, beside }: { readonly plan: LoadPlan; readonly beside?: LoadPlan | undefined },
): Promise<MeteredLoad> {
  const watch = new CompletionWatch(api, ({ lagEvents }) =>
    onProgress(`${name}: ${lagEvents} events waiting`),
  );
  await watch.untilRest();
  const meter = new UsageMeter(pids);
  onProgress(name);
  const other = beside === undefined ? undefined : generateLoad(beside, () => undefined);
  // Awaited below; until then a failure of it must not end the process.
  other?.catch(() => undefined);
  const load = await generateLoad(plan, () => meter.start());
  const besides = await other;
  const answeredAtMs = performance.now();
  const restAtMs = await watch.untilRest();
  return {
    load,
    perSecond: (load.acceptedInTime / load.elapsedMs) * 1000,
    lagMs: restAtMs - answeredAtMs,
    usage: meter.stop(),
    beside: besides,
  };
}
