import { expect, test } from 'vitest';
import { createMetrics } from './metrics.ts';

const createPlain = () => createMetrics({ defaults: false });

async function linesOf(metrics: ReturnType<typeof createMetrics>): Promise<string[]> {
  return (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

test('a counter counts each combination of its labels', async () => {
  const metrics = createPlain();
  const steps = metrics.counter({
    name: 'lastro_saga_steps_total',
    help: 'Steps.',
    labels: ['step', 'outcome'],
  });
  const captured = steps.with({ step: 'capture', outcome: 'ok' });
  captured.inc();
  captured.inc(2);
  steps.with({ step: 'capture', outcome: 'refused' }).inc();
  expect(await linesOf(metrics)).toEqual([
    'lastro_saga_steps_total{step="capture",outcome="ok"} 3',
    'lastro_saga_steps_total{step="capture",outcome="refused"} 1',
  ]);
});

test('M4: what a counter knows before it counts is there at zero, and may be bound again', async () => {
  const steps = { name: 'lastro_steps_total', help: 'Steps.', labels: ['step'] } as const;
  const metrics = createPlain();
  const counter = metrics.counter({ ...steps, known: [{ step: 'a' }, { step: 'b' }] });
  counter.with({ step: 'b' }).inc();
  expect(await linesOf(metrics)).toEqual([
    'lastro_steps_total{step="a"} 0',
    'lastro_steps_total{step="b"} 1',
  ]);
});

test('M3: binding the same labels again gives the same series', () => {
  const steps = createPlain().counter({ name: 'lastro_steps_total', help: 'Steps.', labels: ['step'] });
  expect(steps.with({ step: 'a' })).toBe(steps.with({ step: 'a' }));
});

test('a gauge that is read, not kept, is set before each scrape', async () => {
  const metrics = createPlain();
  const lag = metrics.gauge({ name: 'lastro_consumer_lag_events', help: 'Lag.', labels: ['consumer'] });
  let events = 5;
  metrics.beforeScrape(() => lag.with({ consumer: 'ledger' }).set(events));
  expect(await linesOf(metrics)).toEqual(['lastro_consumer_lag_events{consumer="ledger"} 5']);
  events = 7;
  expect(await linesOf(metrics)).toEqual(['lastro_consumer_lag_events{consumer="ledger"} 7']);
});

test('a histogram has buckets from a millisecond to ten seconds unless told otherwise', async () => {
  const metrics = createPlain();
  metrics.histogram({ name: 'lastro_commit_seconds', help: 'Commit.', labels: [] }).with({}).observe(0.02);
  metrics
    .histogram({ name: 'lastro_batch_size_requests', help: 'Batch.', labels: [], buckets: [1, 10] })
    .with({})
    .observe(3);
  const lines = await linesOf(metrics);
  expect(lines).toContain('lastro_commit_seconds_bucket{le="0.01"} 0');
  expect(lines).toContain('lastro_commit_seconds_bucket{le="0.025"} 1');
  expect(lines).toContain('lastro_batch_size_requests_bucket{le="1"} 0');
  expect(lines).toContain('lastro_batch_size_requests_sum 3');
});

test('M1: names are lastro_…, and a counter’s ends in _total', () => {
  const metrics = createPlain();
  expect(() => metrics.counter({ name: 'lastro_steps', help: 'A.', labels: [] })).toThrow('_total');
  expect(() => metrics.gauge({ name: 'lastro_Lag', help: 'A.', labels: [] })).toThrow('metric name');
});

test('M2: a label that follows the callers is refused', () => {
  const metrics = createPlain();
  expect(() => metrics.counter({ name: 'lastro_a_total', help: 'A.', labels: ['tenant'] })).toThrow(
    'unbounded',
  );
  const routes = metrics.gauge({ name: 'lastro_b', help: 'A.', labels: ['route'] });
  for (let index = 0; index < 1_000; index += 1) routes.with({ route: String(index) });
  expect(() => routes.with({ route: 'one more' })).toThrow('more than 1000 series');
});

test('the process measures itself, too, and every metric is listed', async () => {
  const metrics = createMetrics();
  metrics.gauge({ name: 'lastro_up', help: 'Up.', labels: [] });
  const names = metrics.list().map(({ name }) => name);
  expect(names).toContain('process_cpu_user_seconds_total');
  expect(names).toContain('lastro_up');
  expect(await metrics.render()).toContain('nodejs_eventloop_lag_seconds');
});

test('M1: nothing but counters is called a total, of what measures the process too', async () => {
  const lines = (await createMetrics().render()).split('\n').filter((line) => line.startsWith('# TYPE '));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.filter((line) => /_total (?!counter)/.test(line))).toEqual([]);
});
