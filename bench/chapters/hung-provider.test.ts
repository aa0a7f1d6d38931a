import { describe, expect, it } from 'vitest';
import { loaded } from '../load/load-result-fixture.ts';
import type { Pair } from '../measure/pairs.ts';
import type { Snapshot } from '../product/completion-watch.ts';
import { type Arm, armOf, faultsOfHungProvider } from './hung-provider.ts';

describe('armOf', () => {
  const measured = {
    kind: 'without' as const,
    balance: loaded({ accepted: 8000, acceptedInTime: 7900, elapsedMs: 10_000 }),
    gateway: loaded({ accepted: 900 }),
    judgedAfterMs: 10_600,
    givenUp: 0,
    before: snapshot(100),
    healed: {
      snapshot: snapshot(9000),
      restAtMs: 0,
      completionLagMs: 0,
      lastVerdictAtMs: 50,
      integrityLagMs: 50,
    },
  };

  it('counts balance payments alone, until the last of their verdicts', () => {
    expect(armOf(measured)).toMatchObject({
      acceptedPerSecond: 790,
      completedPerSecond: (8000 / 10_600) * 1000,
      unfinished: 0,
      broken: 0,
      healedMs: 50,
    });
  });

  it('takes verdicts of payments that providers gave up for none of theirs', () => {
    const hung = armOf({ ...measured, kind: 'with', judgedAfterMs: 9000, givenUp: 80 });
    expect(hung.completedPerSecond).toBe(792);
  });

  it('says of no rate whose last verdicts it did not see', () => {
    expect(armOf({ ...measured, judgedAfterMs: null }).completedPerSecond).toBeNull();
  });

  it('counts what has no verdict after all', () => {
    const healed = { ...measured.healed, snapshot: { ...snapshot(8990), broken: 3 } };
    expect(armOf({ ...measured, healed })).toMatchObject({ unfinished: 7, broken: 3 });
  });
});

describe('faultsOfHungProvider', () => {
  const report = (pair: Pair<Arm>) => ({
    armMs: 10_000,
    gatewayPerSecond: 100,
    pairs: [pair],
    completedRatio: undefined,
    acceptedRatio: undefined,
  });

  it('finds none in any speed', () => {
    expect(faultsOfHungProvider(report(pairOf(1000, 1)), { strict: false })).toEqual([]);
  });

  it.each([
    ['a payment is left without an end', { unfinished: 1 }],
    ['a payment is judged broken', { broken: 1 }],
    ['nothing was accepted that could hang', { gatewayAccepted: 0 }],
    ['nothing was accepted to compare', { balanceAccepted: 0 }],
    ['balance payments stood still', { completedPerSecond: null }],
    ['no payment was looked at', { sampled: 0, sampledEnded: 0 }],
    ['a payment looked at has not ended', { sampled: 10, sampledEnded: 9 }],
    ['an answer was unexpected', { unexpected: { '500': 1 } }],
    ['a request was not answered', { dropped: 1 }],
  ])('fails when %s', (_, change: Partial<Arm>) => {
    const pair = pairOf(1000, 1000);
    const changed = report({ ...pair, with: { ...pair.with, ...change } });
    expect(faultsOfHungProvider(changed, { strict: false })).toHaveLength(1);
  });
});

function pairOf(well: number, hung: number): Pair<Arm> {
  return { first: 'without', without: arm('without', well), with: arm('with', hung) };
}

function arm(kind: Arm['kind'], perSecond: number): Arm {
  return {
    kind,
    balanceAccepted: perSecond * 10,
    gatewayAccepted: 900,
    acceptedPerSecond: perSecond,
    completedPerSecond: perSecond,
    unfinished: 0,
    broken: 0,
    healedMs: 100,
    unexpected: {},
    dropped: 0,
    refused: 0,
    unsent: 0,
    sampled: 200,
    sampledEnded: 200,
  };
}

function snapshot(complete: number): Snapshot {
  return { atMs: 0, complete, broken: 0, lagEvents: 0, integrityLagEvents: 0, workers: {} };
}
