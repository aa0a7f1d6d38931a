import type { BoundHistogram, Family, Metrics } from '#platform/telemetry/metrics.ts';

export type HttpDurations = Family<'route' | 'method' | 'status', BoundHistogram>;

export function createHttpDurations(metrics: Metrics): HttpDurations {
  return metrics.histogram({
    name: 'lastro_http_request_duration_seconds',
    help: 'From the first byte of the headers to the last byte of the answer, by route template, method and class of status.',
    labels: ['route', 'method', 'status'],
  });
}

/** The durations of one route, its labels bound on the first answer of each class of status. */
export class RouteMeter {
  /** The template, `/v1/payments/:id`: a raw path would be a series per payment. */
  readonly route: string;
  readonly #method: string;
  readonly #durations: HttpDurations;
  readonly #byStatusClass: (BoundHistogram | undefined)[] = [];

  constructor(durations: HttpDurations, labels: { route: string; method: string }) {
    this.route = labels.route;
    this.#method = labels.method;
    this.#durations = durations;
  }

  observe(status: number, durationMs: number): void {
    const statusClass = Math.floor(status / 100);
    const bound = this.#byStatusClass[statusClass] ?? this.#bind(statusClass);
    bound.observe(durationMs / 1000);
  }

  #bind(statusClass: number): BoundHistogram {
    const labels = { route: this.route, method: this.#method, status: `${statusClass}xx` };
    const bound = this.#durations.with(labels);
    this.#byStatusClass[statusClass] = bound;
    return bound;
  }
}
