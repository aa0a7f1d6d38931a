import type { SagaDefinition } from './saga.ts';

/** Money given back from the service to the wallet (D5): hold what the service gives back, post and capture, complete, notify. */
export const balanceRefund: SagaDefinition = {
  name: 'refund.balance',
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
      name: 'ledger',
      service: 'ledger',
      after: ['refund.authorized'],
      success: 'entry.posted',
      failures: ['posting.refused'],
      deadlineMs: 5000,
    },
    {
      name: 'completion',
      service: 'authorization',
      after: ['entry.posted', 'posting.refused'],
      success: 'refund.completed',
      failures: ['refund.failed'],
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
  standings: { 'refund.authorized': 'authorized' },
  corrections: {},
  incidents: {},
};
