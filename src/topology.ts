/** Which schemas, topics and consumer groups make up an installation: one table that start, migrate, verify and tests share. */
import type { Topology } from '#platform/log/installation.ts';

/** Migration order: the log first, a schema after those its migrations call. */
export const MIGRATED_SCHEMAS = [
  { schema: 'log', directory: new URL('./platform/log/migrations/', import.meta.url) },
  { schema: 'access', directory: new URL('./services/access/migrations/', import.meta.url) },
  { schema: 'vault', directory: new URL('./platform/vault/migrations/', import.meta.url) },
  { schema: 'ledger', directory: new URL('./services/ledger/migrations/', import.meta.url) },
  { schema: 'cards', directory: new URL('./services/cards/migrations/', import.meta.url) },
  { schema: 'cashflow', directory: new URL('./services/cashflow/migrations/', import.meta.url) },
  { schema: 'payments', directory: new URL('./services/payments/migrations/', import.meta.url) },
  { schema: 'validation', directory: new URL('./services/validation/migrations/', import.meta.url) },
  { schema: 'authorization', directory: new URL('./services/authorization/migrations/', import.meta.url) },
  { schema: 'providers', directory: new URL('./services/providers/migrations/', import.meta.url) },
  { schema: 'notification', directory: new URL('./services/notification/migrations/', import.meta.url) },
  { schema: 'hub', directory: new URL('./services/hub/migrations/', import.meta.url) },
  { schema: 'integrity', directory: new URL('./services/integrity/migrations/', import.meta.url) },
  { schema: 'consolidation', directory: new URL('./services/consolidation/migrations/', import.meta.url) },
] as const;

export const TOPOLOGY: Topology = {
  schemas: MIGRATED_SCHEMAS.map(({ schema }) => schema).filter((schema) => schema !== 'log'),
  topics: [
    'payments',
    'validation',
    'authorization',
    'ledger',
    'providers',
    'notification',
    'cards',
    'hub',
    'cashflow',
    'integrity',
    'consolidation',
  ],
  groups: [
    { group: 'validation', topics: ['payments'] },
    { group: 'authorization', topics: ['ledger', 'providers', 'validation'] },
    { group: 'ledger', topics: ['authorization'] },
    { group: 'providers', topics: ['authorization'], beginsAt: 'end' },
    { group: 'payments', topics: ['authorization', 'validation'] },
    { group: 'notification', topics: ['authorization', 'validation'] },
    { group: 'card-notification', topics: ['cards'] },
    { group: 'hub.validation', topics: ['hub'] },
    { group: 'hub.rules', topics: ['hub'] },
    { group: 'hub.enrichment', topics: ['hub'] },
    { group: 'hub.delivery', topics: ['hub'] },
    { group: 'hub.undo', topics: ['hub'] },
    // What happened before there was an endpoint is told to nobody.
    { group: 'webhooks', topics: ['authorization', 'validation', 'cards', 'notification'], beginsAt: 'end' },
    // Not its own log: what it found is not judged again.
    {
      group: 'integrity',
      topics: ['payments', 'validation', 'authorization', 'ledger', 'providers', 'notification'],
    },
    { group: 'consolidation', topics: ['ledger', 'cards'] },
  ],
  appendOnly: [
    'ledger.entries',
    'ledger.postings',
    'cashflow.cash_entries',
    'integrity.finding_actions',
    'integrity.checkpoints',
    'integrity.checkpoint_logs',
    'integrity.signing_keys',
    'integrity.key_vouchers',
    'integrity.installation_ids',
  ],
  monthly: ['ledger.add_posting_month', 'consolidation.add_version_month'],
};

/** The groups a payment waits for: only their lag slows intake down (DESIGN §3, backpressure). */
export const CRITICAL_GROUPS = ['validation', 'authorization', 'ledger'];

/** What LASTRO_SERVICES can name. Nothing works without `access`: every process runs it, whoever names it. */
export const SERVICES = [
  'access',
  'payments',
  'validation',
  'authorization',
  'ledger',
  'providers',
  'notification',
  'integrity',
  'cards',
  'hub',
  'cashflow',
  'consolidation',
];

/** Where the contracts of a topic's events lie, `<type>.v<version>.json`. */
export function contractsOf(topic: string): URL {
  return new URL(`./services/${topic}/events/`, import.meta.url);
}
