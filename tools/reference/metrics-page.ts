import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { table } from './table.ts';

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url));

export interface DescribedMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: string;
  readonly help: string;
}

/** A definition as it stands in the code: what is not written so is not found, which `namesInSource` betrays. */
const DEFINITION =
  /\.(counter|gauge|histogram)\(\{\s*name: '(lastro_[a-z0-9_]+)',\s*help:\s*'([^']*)',\s*labels: \[([^\]]*)\]/g;

/** Every metric that the program itself defines, by name. Read off the code: most are made only when a service starts. */
export function metricsInSource(): DescribedMetric[] {
  return sources()
    .flatMap((source) => [...source.matchAll(DEFINITION)])
    .map(([, type = '', name = '', help = '', labels = '']) => ({
      name,
      type,
      help,
      labels: labels.replaceAll("'", ''),
    }))
    .toSorted(byName);
}

/** Every `name: 'lastro_…'` of the code, whatever stands around it. */
export function namesInSource(): string[] {
  return sources()
    .flatMap((source) => [...source.matchAll(/\bname: '(lastro_[a-z0-9_]+)'/g)])
    .map(([, name = '']) => name)
    .toSorted();
}

function sources(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => readFileSync(`${SOURCE}/${path}`, 'utf8'));
}

function byName(a: DescribedMetric, b: DescribedMetric): number {
  return a.name < b.name ? -1 : 1;
}

/** docs/reference/metrics.md, whole. */
export function renderMetricsPage(): string {
  const own = metricsInSource().map(({ name, type, labels, help }) => [`\`${name}\``, type, labels, help]);
  return `# Metrics

\`GET /metrics\`, in Prometheus' text format, of this process; open to all, as no label names a tenant, an account or a
payment. Durations are in seconds. A histogram has the buckets 1 ms to 10 s.

${table(['metric', 'type', 'labels', 'meaning'], own)}

\`worker\` is a consumer group, or \`<service>.intake\` and its like for a worker of requests; \`kind\` is \`fenced\` or
\`raced\` (another process did the work: nothing is wrong), \`transient\` (tried again) or \`permanent\` (the data is at
fault: the batch is halved until it stands alone); \`status\` is a class, \`2xx\`.

Counters are there at 0 from the start, so that \`increase()\` sees the first of what they count: those of a worker from its
first batch on, those by kind of finding once one was opened. Those by provider begin with what they count.

What begins with \`process_\` or \`nodejs_\` (CPU, memory, file descriptors, event loop, garbage collection) is measured by
prom-client and described in the answer itself.
`;
}
