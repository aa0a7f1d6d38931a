import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { TurnKind } from './checkpoint-clerk.ts';

const OUTCOMES: Readonly<Record<TurnKind, true>> = {
  written: true,
  lost: true,
  not_due: true,
  nothing_new: true,
  refused: true,
  failed: true,
};

/** Counts what became of each time that a checkpoint was due. */
export function checkpointTelemetry(metrics: Metrics): (kind: TurnKind) => void {
  const turns = metrics.counter({
    name: 'lastro_checkpoints_total',
    help: 'Times that a signed checkpoint was due, by what this process did: `written`, `lost` (another process wrote it), `not_due`, `nothing_new`, `refused` (the log is not what the last one signed: run `lastro verify`), `failed`.',
    labels: ['outcome'],
    known: Object.keys(OUTCOMES).map((outcome) => ({ outcome })),
  });
  return (kind) => turns.with({ outcome: kind }).inc();
}
