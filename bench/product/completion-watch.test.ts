import { describe, expect, it } from 'vitest';
import { parseMetrics } from '../measure/prometheus-text.ts';
import { snapshotOf } from './completion-watch.ts';

const METRICS = `lastro_sagas_judged_total{verdict="complete"} 41
lastro_sagas_judged_total{verdict="broken"} 1
lastro_consumer_lag_events{group="validation"} 7
lastro_consumer_lag_events{group="notification"} 5
lastro_consumer_lag_events{group="integrity"} 1000
lastro_batch_events_total{worker="validation"} 90
lastro_batch_duration_seconds_bucket{worker="validation",le="0.01"} 2
lastro_batch_duration_seconds_sum{worker="validation"} 0.5
lastro_batch_duration_seconds_count{worker="validation"} 3
`;

describe('snapshotOf', () => {
  const snapshot = snapshotOf(parseMetrics(METRICS), 12);

  it('counts verdicts by their outcome', () => {
    expect(snapshot).toMatchObject({ atMs: 12, complete: 41, broken: 1 });
  });

  it('does not count the group that only judges among what a payment waits for', () => {
    expect(snapshot.lagEvents).toBe(12);
  });

  it('gives the work of each batch worker', () => {
    expect(snapshot.workers).toEqual({ validation: { batches: 3, events: 90, seconds: 0.5 } });
  });
});
