/** Findings as metrics and log lines. */

import { idOf } from '#kernel/ids.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { StoredFinding } from './finding.ts';
import type { FindingObserver } from './finding-desk.ts';

export interface FindingCount {
  readonly kind: string;
  readonly state: string;
  readonly count: number;
}

/** What becomes of a finding in the end. */
const OUTCOMES = ['repaired', 'parked', 'resolved'] as const;

/** Who scrapes more often sees the last count. */
const COUNTED_EVERY_MS = 1000;

/** `countLive`: the findings that are not closed, over all tenants. */
export function findingTelemetry(
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
  countLive: () => Promise<readonly FindingCount[]>,
): FindingObserver {
  const findings = metrics.gauge({
    name: 'lastro_integrity_findings',
    help: 'Findings that are not closed, over all tenants and processes.',
    labels: ['kind', 'state'],
  });
  const repairs = metrics.counter({
    name: 'lastro_integrity_repairs_total',
    help: 'Findings that this process has settled, by what became of them.',
    labels: ['kind', 'outcome'],
  });
  countBeforeScrape(metrics, findings, countLive);
  return {
    opened(finding) {
      for (const outcome of OUTCOMES) repairs.with({ kind: finding.kind, outcome }).inc(0); // M4 of metrics.ts
      const line = lineOf(finding);
      if (finding.severity === 'critical' || finding.severity === 'error')
        logger.error(line, 'a finding was opened');
      else logger.warn(line, 'a finding was opened');
    },
    settled(finding) {
      const { kind, state } = finding;
      const outcome = OUTCOMES.find((end) => end === state);
      if (outcome !== undefined) repairs.with({ kind, outcome }).inc();
      if (state === 'parked') logger.error(lineOf(finding), 'a finding waits for a person');
      if (state === 'repaired') logger.info(lineOf(finding), 'a finding was repaired');
    },
  };
}

/** What there was and is not any more is zero, and not left as it was. */
function countBeforeScrape(
  metrics: Metrics,
  gauge: { with(labels: { kind: string; state: string }): { set(value: number): void } },
  countLive: () => Promise<readonly FindingCount[]>,
): void {
  const known = new Map<string, { kind: string; state: string }>();
  let countedAt = Number.NEGATIVE_INFINITY;
  metrics.beforeScrape(async () => {
    if (performance.now() < countedAt + COUNTED_EVERY_MS) return;
    countedAt = performance.now();
    // Metrics are wanted most when the database does not answer: then these are not known, and the others are.
    const counts = await countLive().catch(() => undefined);
    for (const labels of known.values()) gauge.with(labels).set(counts === undefined ? Number.NaN : 0);
    for (const { kind, state, count } of counts ?? []) {
      known.set(`${kind} ${state}`, { kind, state });
      gauge.with({ kind, state }).set(count);
    }
  });
}

/** The subject names no secret; whose it is stands beside it. */
function lineOf({ uuid, tenant, kind, severity, subject, detail, attempts, reason }: StoredFinding) {
  return { finding: idOf('fnd', uuid), tenant, kind, severity, subject, detail, attempts, reason };
}
