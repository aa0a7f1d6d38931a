/** The loads of a run: what all scenarios have in common, and how long they take. */
import type { LoadPlan } from './load/load-plan.ts';
import type { Stage } from './stage.ts';

/** Beside the others, waiting for final states: 1 % of an open loop's requests, each for as long as a payment takes. */
export const WAITING_CONNECTIONS = { open: 64, closed: 2 } as const;
export const WARM_UP_MS = { full: 5000, quick: 1000 } as const;
/** Of one side of what is compared. */
export const ARM_MS = { full: 10_000, quick: 3000 } as const;

/** By the options of the run, but for what is given. Each has a seed of its own. */
export function nextPlan(stage: Stage, plan: Partial<LoadPlan>): LoadPlan {
  const { options, product, apiKey } = stage;
  stage.runs += 1;
  return {
    host: product.host,
    port: product.port,
    apiKey,
    method: 'balance',
    wallets: options.wallets,
    services: options.services,
    seed: options.seed + stage.runs,
    durationMs: options.seconds * 1000,
    connections: options.connections,
    ratePerSecond: null,
    waitingConnections: WAITING_CONNECTIONS.closed,
    maxRequests: null,
    maxUnfinished: null,
    ...plan,
  };
}

export function sizeOf<Size>({ options }: Stage, sizes: { readonly full: Size; readonly quick: Size }): Size {
  return options.quick ? sizes.quick : sizes.full;
}
