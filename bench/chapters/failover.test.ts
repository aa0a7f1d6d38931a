import { describe, expect, it } from 'vitest';
import { type FailoverFigures, failoverDurationMs, faultsOfFailover } from './failover.ts';

const NOBODY = { payments: 0, reasons: {}, withoutReason: 0 };
const FIGURES: FailoverFigures = {
  provider: 'alfa',
  ratePerSecond: 500,
  outageMs: 20_000,
  beforePerSecond: 498,
  breakerOpenMs: 2100,
  backAtRateMs: 2500,
  held: { payments: 400, reasons: { 'provider.unknown': 200 }, withoutReason: 0 },
  trafficAgainMs: 1300,
  statuses: { completed: 20_000 },
  waiting: NOBODY,
};

describe('faultsOfFailover', () => {
  it('finds none where everybody who waits says for what, however long it took', () => {
    const waiting = { payments: 1, reasons: { 'payment.reconciliation_required': 1 }, withoutReason: 0 };
    expect(faultsOfFailover({ ...FIGURES, waiting, backAtRateMs: null, trafficAgainMs: null })).toEqual([]);
  });

  it.each([
    ['the breaker stayed closed', { breakerOpenMs: null }],
    ['somebody was held up without a reason', { held: { ...NOBODY, payments: 1, withoutReason: 1 } }],
    ['somebody waits for ever without a reason', { waiting: { ...NOBODY, payments: 1, withoutReason: 1 } }],
  ])('fails when %s', (_, change) => {
    expect(faultsOfFailover({ ...FIGURES, ...change })).toHaveLength(1);
  });
});

describe('failoverDurationMs', () => {
  it('is the whole of it', () => {
    expect(failoverDurationMs({ beforeMs: 5000, outageMs: 20_000, afterMs: 15_000 })).toBe(40_000);
  });
});
