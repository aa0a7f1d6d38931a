import { describe, expect, it } from 'vitest';
import { loaded } from '../load/load-result-fixture.ts';
import { armOf, faultsOfIntegrityCost, type IntegrityArm } from './integrity-cost.ts';

describe('armOf', () => {
  const load = loaded({ accepted: 8000, acceptedInTime: 7900, elapsedMs: 10_000 });

  it('counts payments until nothing on their way was left', () => {
    expect(armOf('without', load, 10_600)).toMatchObject({
      acceptedPerSecond: 790,
      completedPerSecond: (8000 / 10_600) * 1000,
    });
  });

  it('says of no rate what it did not see', () => {
    expect(armOf('with', load, null).completedPerSecond).toBeNull();
  });
});

describe('faultsOfIntegrityCost', () => {
  const faultsOf = (change: Partial<IntegrityArm>): string[] =>
    faultsOfIntegrityCost(
      {
        armMs: 10_000,
        pairs: [{ first: 'without', without: arm({}), with: arm({ kind: 'with', ...change }) }],
        completedRatio: undefined,
        acceptedRatio: undefined,
      },
      { strict: false },
    );

  it('finds none in any speed', () => {
    expect(faultsOf({ completedPerSecond: 1 })).toEqual([]);
  });

  it.each([
    ['nothing was accepted', { accepted: 0 }],
    ['something was left to do', { completedPerSecond: null }],
    ['no payment was looked at', { sampled: 0, sampledCompleted: 0 }],
    ['a payment looked at has not completed', { sampledCompleted: 199 }],
    ['an answer was unexpected', { unexpected: { '500': 1 } }],
    ['a request was not answered', { dropped: 1 }],
  ])('fails when %s', (_, change: Partial<IntegrityArm>) => {
    expect(faultsOf(change)).toHaveLength(1);
  });
});

function arm(change: Partial<IntegrityArm>): IntegrityArm {
  return {
    kind: 'without',
    accepted: 8000,
    acceptedPerSecond: 800,
    completedPerSecond: 790,
    unexpected: {},
    dropped: 0,
    refused: 0,
    unsent: 0,
    sampled: 200,
    sampledCompleted: 200,
    ...change,
  };
}
