import type { SagaDefinition } from './saga.ts';

/** A payment from the wallet's balance (P1): hold, post and capture, complete, notify. */
export const balancePayment: SagaDefinition = {
  name: 'payment.balance',
  version: 1,
  begins: 'payment.requested',
  stages: [
    {
      name: 'validation',
      service: 'validation',
      after: ['payment.requested'],
      success: 'payment.validated',
      failures: ['payment.rejected'],
      deadlineMs: 5000,
    },
    {
      name: 'authorization',
      service: 'authorization',
      after: ['payment.validated'],
      success: 'payment.authorized',
      failures: ['payment.declined'],
      deadlineMs: 5000,
      compensation: 'release_hold',
    },
    {
      name: 'ledger',
      service: 'ledger',
      after: ['payment.authorized'],
      success: 'entry.posted',
      failures: ['posting.refused'],
      deadlineMs: 5000,
    },
    {
      name: 'completion',
      service: 'authorization',
      after: ['entry.posted', 'posting.refused'],
      success: 'payment.completed',
      failures: ['payment.failed'],
      deadlineMs: 5000,
    },
    {
      name: 'notification',
      service: 'notification',
      after: ['payment.completed', 'payment.rejected', 'payment.declined', 'payment.failed'],
      success: 'notification.queued',
      failures: [],
      deadlineMs: 10_000,
    },
  ],
  endings: {
    'payment.completed': 'completed',
    'payment.rejected': 'rejected',
    'payment.declined': 'declined',
    'payment.failed': 'failed',
  },
};
