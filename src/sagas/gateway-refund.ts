import type { SagaDefinition } from './saga.ts';

/**
 * A refund through the provider that charged (D5): hold what the service gives back, ask the provider, and once it has
 * paid, which its callback tells, post and capture, complete, notify. What the ledger does not take then waits for a person.
 */
export const gatewayRefund: SagaDefinition = {
  name: 'refund.gateway',
  version: 1,
  begins: 'refund.requested',
  interventions: [],
  stages: [
    {
      name: 'validation',
      service: 'validation',
      after: ['refund.requested'],
      success: 'refund.validated',
      failures: ['refund.rejected'],
      deadlineMs: 5000,
    },
    {
      name: 'authorization',
      service: 'authorization',
      after: ['refund.validated'],
      success: 'refund.authorized',
      failures: ['refund.declined'],
      deadlineMs: 5000,
      compensation: 'release_hold',
    },
    {
      name: 'provider refund',
      service: 'providers',
      // What the ledger has refused is told as given back once more when a person wants it posted again.
      after: ['refund.authorized', 'refund.reconciliation_required'],
      success: 'provider.refunded',
      failures: ['provider.refund_refused'],
      reports: ['provider.refund_unresolved'],
      deadlineMs: 600_000,
      waitsFor: 'outside',
    },
    {
      name: 'decision',
      service: 'authorization',
      after: ['provider.refunded', 'provider.refund_refused', 'provider.refund_unresolved'],
      success: 'refund.confirmed',
      failures: ['refund.failed', 'refund.reconciliation_required'],
      deadlineMs: 5000,
      lapsesAfter: ['provider.refund_unresolved'],
    },
    {
      name: 'ledger',
      service: 'ledger',
      after: ['refund.confirmed'],
      success: 'entry.posted',
      failures: ['posting.refused'],
      deadlineMs: 5000,
    },
    {
      name: 'completion',
      service: 'authorization',
      after: ['entry.posted', 'posting.refused'],
      success: 'refund.completed',
      failures: ['refund.reconciliation_required'],
      deadlineMs: 5000,
    },
    {
      name: 'notification',
      service: 'notification',
      after: ['refund.completed', 'refund.rejected', 'refund.declined', 'refund.failed'],
      success: 'notification.queued',
      failures: [],
      deadlineMs: 10_000,
    },
  ],
  endings: {
    'refund.completed': 'completed',
    'refund.rejected': 'rejected',
    'refund.declined': 'declined',
    'refund.failed': 'failed',
  },
  standings: {
    'refund.authorized': 'authorized',
    'refund.reconciliation_required': 'reconciliation_required',
  },
  corrections: {},
  incidents: { 'provider.contradicted': 'contradiction' },
};
