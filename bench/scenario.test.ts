import { describe, expect, it } from 'vitest';
import type { LoadResult } from './load/load-plan.ts';
import { loaded } from './load/load-result-fixture.ts';
import { faultsOf, type ScenarioReport } from './scenario.ts';

describe('faultsOf', () => {
  it('finds nothing in a run whose payments all completed', () => {
    expect(faultsOf(report({}), { strict: true })).toEqual([]);
  });

  it.each([
    ['nothing was accepted', report({}, { accepted: 0 })],
    ['a payment has no verdict', report({ lost: 1 })],
    ['a payment is judged broken', report({ broken: 1 })],
    ['a payment looked at did not complete', report({ sampled: 200, sampledComplete: 199 })],
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
