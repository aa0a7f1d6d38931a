/** What the batch machine does, as metrics and log lines. */
import type { BatchObserver } from '../batch/observer.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

const FAILURES = ['fenced', 'raced', 'transient', 'permanent'] as const;

/** `groups`: all that there are. */
export function batchTelemetry(
  { metrics, logger }: { metrics: Metrics; logger: Logger },
  groups: readonly string[],
): BatchObserver {
  const events = metrics.counter({
    name: 'lastro_batch_events_total',
    help: 'Requests and events passed by each worker in batches that committed.',
    labels: ['worker'],
  });
  const durations = metrics.histogram({
    name: 'lastro_batch_duration_seconds',
    help: 'From the start of a batch to its commit.',
    labels: ['worker'],
  });
  const failures = metrics.counter({
    name: 'lastro_batch_failures_total',
    help: 'Batches that rolled back and were tried again, by the kind of their failure.',
    labels: ['worker', 'kind'],
  });
  const lostPositions = metrics.counter({
    name: 'lastro_lost_positions_total',
    help: 'Looks of a consumer group at a partition in which its position was gone.',
    labels: ['group'],
    known: groups.map((group) => ({ group })),
  });
  const begun = new Set<string>();
  return {
    committed(worker, batch) {
      if (!begun.has(worker)) for (const kind of FAILURES) failures.with({ worker, kind }).inc(0); // M4
      begun.add(worker);
      events.with({ worker }).inc(batch.events);
      durations.with({ worker }).observe(batch.durationMs / 1000);
    },
    failed(worker, error) {
      const kind = kindOf(error);
      failures.with({ worker, kind }).inc();
      const line = { worker, kind, err: error };
      // A fence and a lost race are how processes share work; they say nothing is wrong.
      if (kind === 'fenced' || kind === 'raced') logger.debug(line, 'batch yielded to another worker');
      else if (kind === 'transient') logger.warn(line, 'batch failed and is tried again');
      else logger.error(line, 'batch failed on its data and is tried again in halves');
    },
    positionLost(group, { topic, partition, isRemade }) {
      lostPositions.with({ group }).inc();
      const line = { group, topic, partition };
      if (isRemade)
        logger.error(line, 'position was gone and is made again: the partition is read from its beginning');
      else
        logger.error(
          line,
          'position is gone and a person had events passed over there: the partition stands until the position is put back',
        );
    },
  };
}

function kindOf(error: unknown): (typeof FAILURES)[number] {
  if (error instanceof DatabaseFault && error.fenced) return 'fenced';
  if (error instanceof DatabaseFault && error.uniqueViolation) return 'raced';
  return isTransient(error) ? 'transient' : 'permanent';
}
