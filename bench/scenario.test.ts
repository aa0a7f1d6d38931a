import { describe, expect, it } from 'vitest';
import type { LoadResult } from './load/load-plan.ts';
import { loaded } from './load/load-result-fixture.ts';
import { snapshotOf } from './product/completion-watch.ts';
import { faultsOf, reportOf, type ScenarioReport } from './scenario.ts';

describe('faultsOf', () => {
  it('finds nothing in a run whose payments all completed', () => {
    expect(faultsOf(report({}), { strict: true })).toEqual([]);
  });

  it.each([
    ['nothing was accepted', report({ completed: 0, sampled: 0, sampledComplete: 0 }, { accepted: 0 })],
    ['a payment has no verdict', report({ lost: 1 })],
    ['a payment is judged broken', report({ completed: 99, broken: 1 })],
    ['a payment looked at did not complete', report({ sampled: 200, sampledComplete: 199 })],
    ['no payment was looked at', report({ sampled: 0, sampledComplete: 0 })],
    [
      'a payment that was waited for was declined',
      report({}, { finalStates: { completed: 3, declined: 1 } }),
    ],
    ['there are verdicts on other payments', report({ completed: 101 })],
    ['an answer was unexpected', report({}, { unexpected: { '500': 1 } })],
    ['a request was not answered', report({}, { dropped: 1 })],
  ])('fails when %s', (_, failed) => {
    expect(faultsOf(failed, { strict: false })).toHaveLength(1);
  });

  it('takes a refusal for a fault only where capacity was not reached', () => {
    const refused = report({}, { refused: 3 });
    expect(faultsOf(refused, { strict: false })).toEqual([]);
    expect(faultsOf(refused, { strict: true })).toHaveLength(1);
  });
});

describe('reportOf', () => {
  const measured = (lastVerdictAtMs: number, complete: number) =>
    reportOf({
      name: 'uniform',
      plan: { ...report({}).plan, apiKey: 'lk_a_b' },
      load: loaded({ accepted: 1000, acceptedInTime: 900, elapsedMs: 10_000 }),
      startedAtMs: 5000,
      before: snapshotOf([], 0),
      drained: {
        snapshot: { ...snapshotOf([], 0), complete },
        restAtMs: 15_000,
        completionLagMs: 0,
        lastVerdictAtMs,
        integrityLagMs: complete === 1000 ? 1 : null,
      },
      usage: report({}).usage,
      samples: 0,
      maxLagEvents: 0,
    });

  it('S2: counts completed payments from the first request until the last verdict', () => {
    expect(measured(17_500, 1000)).toMatchObject({ acceptedPerSecond: 90, completedPerSecond: 80, lost: 0 });
  });

  it('S2: counts no shorter time where all verdicts came while the load lasted', () => {
    expect(measured(12_000, 1000).completedPerSecond).toBe(100);
  });

  it('S2: counts as long where verdicts are missing', () => {
    expect(measured(25_000, 800)).toMatchObject({ completedPerSecond: 40, lost: 200 });
  });
});

function report(scenario: Partial<ScenarioReport>, load: Partial<LoadResult> = {}): ScenarioReport {
  return {
    name: 'uniform',
    plan: {
      host: '127.0.0.1',
      port: 8080,
      method: 'balance',
      wallets: 10,
      services: 1,
      seed: 1,
      durationMs: 1000,
      connections: 1,
      ratePerSecond: null,
      waitingConnections: 0,
      maxRequests: null,
      maxUnfinished: null,
    },
    load: loaded({ accepted: 100, ...load }),
    acceptedPerSecond: 100,
    completed: 100,
    completedPerSecond: 100,
    broken: 0,
    lost: 0,
    completionLagMs: 0,
    integrityLagMs: 0,
    maxLagEvents: 0,
    usage: {
      nodeCpuUs: 1,
      postgresCpuUs: 1,
      providersCpuUs: null,
      nodePeakRssBytes: 1,
      postgresPeakRssBytes: 1,
    },
    workers: {},
    sampled: 100,
    sampledComplete: 100,
    ...scenario,
  };
}
