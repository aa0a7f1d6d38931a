import { describe, expect, it } from 'vitest';
import { parseMetrics } from '../measure/prometheus-text.ts';
import { callsOf, faultsOfBooks } from './gateway-meter.ts';

const METRICS = `lastro_provider_call_duration_seconds_bucket{provider="alfa",operation="charge",outcome="approved",le="0.1"} 3
lastro_provider_call_duration_seconds_count{provider="alfa",operation="charge",outcome="approved"} 40
lastro_provider_call_duration_seconds_count{provider="beta",operation="charge",outcome="unclear"} 2
lastro_provider_call_duration_seconds_count{provider="beta",operation="void",outcome="voided"} 1
`;

describe('callsOf', () => {
  it('counts calls by operation, of every provider and whatever they brought', () => {
    expect(callsOf(parseMetrics(METRICS))).toEqual({ charge: 42, void: 1 });
  });
});

describe('faultsOfBooks', () => {
  const figures = (charged: number, chargedTwice: number) => ({
    calls: {},
    books: { charges: charged, refunds: 0, charged, chargedTwice },
  });

  it('finds nothing where the providers have charged what has completed', () => {
    expect(faultsOfBooks('gateway', figures(7, 0), 7)).toEqual([]);
  });

  it('knows of no payment on its way whether it is to be charged', () => {
    expect(faultsOfBooks('failover', figures(8, 0), null)).toEqual([]);
    expect(faultsOfBooks('failover', figures(8, 1), null)).toHaveLength(1);
  });

  it.each([
    ['one more was charged', figures(8, 0)],
    ['one less was charged', figures(6, 0)],
    ['one was charged twice', figures(7, 1)],
  ])('fails when %s', (_, failed) => {
    expect(faultsOfBooks('gateway', failed, 7)).toHaveLength(1);
  });
});
