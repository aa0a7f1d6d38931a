import type { SagaDefinition } from './saga.ts';

/**
 * A message through a connector (H2, H7). A choreography: each stage is a consumer group of its own that knows the event it
 * acts on and the ones it says, and nobody conducts them. This is what they make together, written once: timelines, verdicts
 * and the drawn flow read it, and a test compares it with what the groups do.
 */
export const integrationSaga: SagaDefinition = {
  name: 'integration',
  version: 1,
  begins: 'integration.requested',
  interventions: ['integration.undo_requested'],
  stages: [
    {
      name: 'validation',
      service: 'hub.validation',
      after: ['integration.requested'],
      success: 'integration.validated',
      failures: ['integration.refused', 'integration.failed'],
      deadlineMs: 5000,
    },
    {
      name: 'rules',
      service: 'hub.rules',
      after: ['integration.validated'],
      success: 'integration.rules_applied',
      failures: ['integration.refused', 'integration.failed'],
      deadlineMs: 5000,
    },
    {
      name: 'enrichment',
      service: 'hub.enrichment',
      after: ['integration.rules_applied'],
      success: 'integration.enriched',
      failures: ['integration.refused', 'integration.failed'],
      deadlineMs: 3_600_000,
      waitsFor: 'outside',
    },
    {
      name: 'delivery',
      service: 'hub.delivery',
      after: ['integration.enriched'],
      success: 'integration.delivered',
      failures: ['integration.failed'],
      deadlineMs: 3_600_000,
      waitsFor: 'outside',
      compensation: 'undo_delivery',
    },
    {
      name: 'undo',
      service: 'hub.undo',
      // After a failure only if it leaves in doubt whether the message was delivered, and the connector names an undo call.
      after: ['integration.undo_requested', 'integration.failed'],
      success: 'integration.undone',
      failures: ['integration.undo_failed'],
      deadlineMs: 3_600_000,
      waitsFor: 'outside',
      undoes: 'undo_delivery',
    },
  ],
  endings: {
    'integration.delivered': 'delivered',
    'integration.refused': 'refused',
    'integration.failed': 'failed',
    'integration.undone': 'undone',
    'integration.undo_failed': 'undo_failed',
  },
  standings: {
    'integration.validated': 'validated',
    'integration.rules_applied': 'rules_applied',
    'integration.enriched': 'enriched',
  },
  corrections: {
    'integration.undone': 'integration.delivered',
    'integration.undo_failed': 'integration.delivered',
  },
  incidents: {},
};
