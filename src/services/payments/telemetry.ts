import type { BoundCounter, Metrics } from '#platform/telemetry/metrics.ts';
import { isFinal, PAYMENT_STATUSES } from './payment.ts';
import { REFUND_STATUSES } from './refund.ts';
import type { Changed } from './status-consumer.ts';

/** Counts the ends of payments and refunds, once they are committed. */
export function paymentTelemetry(metrics: Metrics): (changes: readonly Changed[]) => void {
  const counters = {
    payment: metrics.counter({
      name: 'lastro_payments_ended_total',
      help: 'Payments whose final status this process has noted. One that is undone after its completion ends twice.',
      labels: ['status'],
      known: endsOf(PAYMENT_STATUSES),
    }),
    refund: metrics.counter({
      name: 'lastro_refunds_ended_total',
      help: 'Refunds whose final status this process has noted.',
      labels: ['status'],
      known: endsOf(REFUND_STATUSES),
    }),
  };
  const bound = new Map<string, BoundCounter>();
  return (changes) => {
    for (const { of, status } of changes) {
      if (status === null || !isFinal(status)) continue;
      const name = `${of} ${status}`;
      const counter = bound.get(name) ?? counters[of].with({ status });
      bound.set(name, counter);
      counter.inc();
    }
  };
}

function endsOf(statuses: readonly string[]): { status: string }[] {
  return statuses.filter(isFinal).map((status) => ({ status }));
}
