/** What a payment is told whose stages lag too far behind (backpressure). */
import type { Problem } from '#kernel/problem.ts';
import type { LagMonitor } from '#platform/batch/lag-monitor.ts';
import { overloaded } from '#platform/http/overloaded.ts';

const RETRY_AFTER_S = 1;

/** `key`: the wallet's id, by which its payments have their partition. */
export function overload(lags: LagMonitor, payer: { tenant: string; key: string }): Problem | undefined {
  if (!lags.isOverloaded(payer)) return undefined;
  return overloaded(
    'The stages of earlier payments lag too far behind; nothing was accepted.',
    RETRY_AFTER_S,
  );
}
