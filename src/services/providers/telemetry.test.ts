import { expect, test } from 'vitest';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { providerTelemetry } from './telemetry.ts';

const UNKNOWN = /^lastro_provider_unknown_outcomes (\S+)$/m;

function observing(countUnknown: () => Promise<number>) {
  const metrics = createMetrics({ defaults: false });
  const alfa = { name: 'alfa', breaker: 'open', inFlight: 3, since: 0 } as const;
  providerTelemetry(metrics).observe({ statuses: () => [alfa], countUnknown });
  return metrics;
}

test('a scrape is answered when the database is not: what could not be counted is no number', async () => {
  const text = await observing(() => Promise.reject(new Error('the database is away'))).render();
  expect(text).toContain('lastro_provider_breaker_open{provider="alfa"} 1');
  expect(text).toContain('lastro_provider_calls_in_flight{provider="alfa"} 3');
  expect(Number(UNKNOWN.exec(text)?.[1])).toBeNaN();
});

test('scrapes that follow each other closely share a count', async () => {
  let counts = 0;
  const metrics = observing(() => Promise.resolve(++counts));
  await metrics.render();
  expect(UNKNOWN.exec(await metrics.render())?.[1]).toBe('1');
});
