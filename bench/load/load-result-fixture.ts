/** For tests: the result of a load of ten seconds in which nothing happened but what is given. */
import { Histogram } from './histogram.ts';
import type { LoadResult } from './load-plan.ts';

export function loaded(load: Partial<LoadResult>): LoadResult {
  const empty = new Histogram().summary();
  return {
    elapsedMs: 10_000,
    accepted: 0,
    acceptedInTime: 0,
    refused: 0,
    unexpected: {},
    dropped: 0,
    acceptance: empty,
    completion: empty,
    incomplete: 0,
    finalStates: {},
    sentLateMs: 0,
    unsent: 0,
    sampleIds: [],
    cpuUs: 0,
    peakRssBytes: 0,
    ...load,
  };
}
