import { describe, expect, it } from 'vitest';
import { parseMetrics, sumOf, valuesOf } from './prometheus-text.ts';

const TEXT = `# HELP lastro_sagas_judged_total Verdicts.
# TYPE lastro_sagas_judged_total counter
lastro_sagas_judged_total{verdict="complete"} 1041
lastro_sagas_judged_total{verdict="broken"} 2
lastro_lag{group="a, \\"b\\" {c}",topic="x"} 1.5e3
process_cpu_seconds_total 0.25 1700000000000

not a sample
`;

describe('parseMetrics', () => {
  const samples = parseMetrics(TEXT);

  it('reads values with and without labels', () => {
    expect(sumOf(samples, 'lastro_sagas_judged_total', { verdict: 'complete' })).toBe(1041);
    expect(sumOf(samples, 'process_cpu_seconds_total')).toBe(0.25);
  });

  it('sums over the labels that are not asked for', () => {
    expect(sumOf(samples, 'lastro_sagas_judged_total')).toBe(1043);
  });

  it('reads label values with quotes, commas and braces', () => {
    expect(valuesOf(samples, 'lastro_lag', 'group')).toEqual(['a, "b" {c}']);
    expect(sumOf(samples, 'lastro_lag', { topic: 'x' })).toBe(1500);
  });

  it('passes over everything else', () => {
    expect(samples).toHaveLength(4);
    expect(sumOf(samples, 'lastro_unknown')).toBe(0);
  });
});
