import { describe, expect, it } from 'vitest';
import { renderGateway } from './provider-table.ts';

describe('renderGateway', () => {
  it('is silent where no payment was made by a provider', () => {
    expect(renderGateway({ scenarios: [], hungProviders: [], failovers: [] })).toBe('');
  });

  it('puts what hung providers cost beside its target, with the spread', () => {
    const text = renderGateway({
      scenarios: [],
      hungProviders: [
        {
          armMs: 10_000,
          gatewayPerSecond: 100,
          pairs: [],
          completedRatio: { median: 0.975, least: 0.96, most: 1.01, count: 5 },
          acceptedRatio: undefined,
        },
      ],
      failovers: [],
    });
    expect(text).toMatch(/slowed by providers that hang +2\.5 % \(-1\.0 to 4\.0, 5 pairs\) +≤ 5 %/);
  });

  it('says what was not seen', () => {
    const nobody = { payments: 0, reasons: {}, withoutReason: 0 };
    const text = renderGateway({
      scenarios: [],
      hungProviders: [],
      failovers: [
        {
          provider: 'alfa',
          ratePerSecond: 500,
          outageMs: 20_000,
          beforePerSecond: 498,
          breakerOpenMs: 2100,
          backAtRateMs: null,
          held: { payments: 900, reasons: { 'provider.unknown': 150 }, withoutReason: 0 },
          trafficAgainMs: 1300,
          statuses: { completed: 19_990, failed: 10 },
          waiting: nobody,
        },
      ],
    });
    expect(text).toMatch(/alfa hangs: its breaker is open after +2,100 ms +≤ 5 s/);
    expect(text).toMatch(/completions are back at 500\/s after +not seen \(just before it hung: 498\/s\)/);
    expect(text).toMatch(/still waiting after 20,000 ms +900, last event of some: 150 provider\.unknown/);
    expect(text).toMatch(/at the end +19,990 completed, 10 failed/);
    expect(text).not.toMatch(/of these waiting/);
  });
});
