/** The webhooks' parts of a process, made with what they share with the others (parts.ts). */
import type { Clock } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { Settings } from '#platform/config/settings.ts';
import { Egress } from '#platform/egress/egress.ts';
import { EGRESS_OUTCOMES, type EgressOutcome } from '#platform/egress/outcome.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { Vault } from '#platform/vault/vault.ts';
import type { Claim } from '#services/notification/webhooks/claim-store.ts';
import { Webhooks } from '#services/notification/webhooks/webhooks.ts';
import { reachOf, retentionMsOf } from './outbound-policy.ts';
import { keyReusedOf } from './problems.ts';

export interface SharedWithWebhooks {
  readonly settings: Settings;
  readonly log: EventLog;
  /** For what somebody asks for. */
  readonly session: Session;
  readonly openSession: (name: string) => Session;
  readonly reads: ReadPool;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly random: () => number;
  readonly batchMax: number;
  readonly observer: BatchObserver;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly noteDestination: (destination: string, isDelivered: boolean) => void;
  readonly onError: (error: unknown) => void;
}

export function makeWebhooks(shared: SharedWithWebhooks): Webhooks {
  const { settings, metrics, reads, logger } = shared;
  const attempts = metrics.counter({
    name: 'lastro_webhook_attempts_total',
    help: 'Attempts of this process to deliver a webhook, by what became of them.',
    labels: ['outcome'],
    known: EGRESS_OUTCOMES.map((outcome) => ({ outcome })),
  });
  const webhooks = new Webhooks({
    ...shared,
    reader: reads,
    egress: new Egress({ reach: reachOf(settings) }),
    keyReused: keyReusedOf('webhooks'),
    retentionMs: retentionMsOf(settings),
    onAttempt(claim, outcome) {
      attempts.with({ outcome: outcome.kind }).inc();
      logAttempt(logger, claim, outcome);
    },
  });
  const underWay = metrics.gauge({
    name: 'lastro_webhook_requests_in_flight',
    help: 'Webhooks that this process is sending.',
    labels: [],
  });
  metrics.beforeScrape(() => underWay.with({}).set(webhooks.underWay));
  return webhooks;
}

/** One id finds every line (U17); neither the URL nor what was answered, which may hold secrets of others. */
function logAttempt(logger: Logger, claim: Claim, outcome: EgressOutcome): void {
  const line = {
    correlation_id: claim.correlationId,
    traceparent: claim.traceparent ?? undefined,
    endpoint: idOf('whe', claim.endpoint.uuid),
    delivery: idOf('dlv', claim.uuid),
    attempt: claim.number,
    type: claim.type,
    subject: claim.subject,
    outcome: outcome.kind,
    status: outcome.answer?.status,
    latency_ms: Math.round(outcome.latencyMs),
  };
  if (outcome.kind === 'delivered') logger.debug(line, 'a webhook was delivered');
  else logger.info({ ...line, reason: outcome.detail }, 'a webhook was not delivered');
}
