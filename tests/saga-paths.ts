/**
 * Ways through the sagas, as the events that the services leave on them: what the judges, which must agree, are shown.
 * Each event is caused by the one before it, or by the last one of the type that is named after the arrow.
 */
export interface SagaPath {
  readonly title: string;
  readonly kind: 'pay' | 'ref';
  readonly method: 'balance' | 'gateway';
  readonly verdict: 'complete' | 'running';
  /** `type`, or `type ← type of its cause`; what persons ask has no cause among them. */
  readonly events: readonly string[];
}

const ADMITTED = ['payment.requested', 'payment.validated', 'payment.authorized'];
const POSTED = ['payment.charged', 'entry.posted', 'payment.completed', 'notification.queued'];
const CHARGED = [...ADMITTED, 'provider.approved', ...POSTED];
const UNRESOLVED = [
  ...ADMITTED,
  'provider.unknown',
  'provider.unresolved',
  'payment.reconciliation_required',
];
const CANCELLING = ['payment.cancel_requested', 'payment.cancel_admitted', 'payment.cancelling'];
const RESOLUTION = [
  'payment.resolution_requested',
  'payment.resolution_admitted',
  'payment.charge_resolved',
  'provider.resolved',
];
const COMPENSATING = [
  ...ADMITTED,
  'provider.approved',
  'payment.charged',
  'posting.refused',
  'payment.compensating:refund_charge',
];
const PARKED = [...COMPENSATING, 'provider.refund_refused', 'payment.reconciliation_required'];
const REVERSAL_REFUSED = [
  ...CHARGED,
  ...RESOLUTION,
  'payment.compensating:reverse_posting',
  'posting.refused',
  'payment.reconciliation_required',
];
const COMPENSATED = ['payment.compensated', 'notification.queued'];
const FAILED = ['payment.failed', 'notification.queued'];
const REFUNDING = ['refund.requested', 'refund.validated', 'refund.authorized'];
const REFUNDED = ['refund.completed', 'notification.queued'];
const NOT_POSTED = [
  'provider.refunded',
  'refund.confirmed',
  'posting.refused',
  'refund.reconciliation_required',
];

type Ways = Readonly<Record<string, readonly string[]>>;

const BALANCE: Ways = {
  completed: [...ADMITTED, 'entry.posted', 'payment.completed', 'notification.queued'],
  rejected: ['payment.requested', 'payment.rejected', 'notification.queued'],
  declined: ['payment.requested', 'payment.validated', 'payment.declined', 'notification.queued'],
  failed: [...ADMITTED, 'posting.refused', ...FAILED],
  cancelled: [
    ...ADMITTED,
    ...CANCELLING,
    'posting.refused ← payment.authorized',
    'payment.cancelled',
    'notification.queued',
  ],
  'completed, and cancelled too late': [
    ...ADMITTED,
    'payment.cancel_requested',
    'entry.posted ← payment.authorized',
    'payment.completed',
    'notification.queued',
    'payment.cancel_admitted ← payment.cancel_requested',
    'payment.cancel_refused',
  ],
};

const BALANCE_REFUND: Ways = {
  completed: [...REFUNDING, 'entry.posted', ...REFUNDED],
  rejected: ['refund.requested', 'refund.rejected', 'notification.queued'],
  declined: ['refund.requested', 'refund.validated', 'refund.declined', 'notification.queued'],
  failed: [...REFUNDING, 'posting.refused', 'refund.failed', 'notification.queued'],
};

const GATEWAY_REFUND: Ways = {
  completed: [...REFUNDING, 'provider.refunded', 'refund.confirmed', 'entry.posted', ...REFUNDED],
  rejected: ['refund.requested', 'refund.rejected', 'notification.queued'],
  declined: ['refund.requested', 'refund.validated', 'refund.declined', 'notification.queued'],
  'refused by the provider': [
    ...REFUNDING,
    'provider.refund_refused',
    'refund.failed',
    'notification.queued',
  ],
  'in doubt, then completed': [
    ...REFUNDING,
    'provider.refund_unresolved',
    'refund.reconciliation_required',
    'provider.refunded ← provider.refund_unresolved',
    'refund.confirmed',
    'entry.posted',
    ...REFUNDED,
  ],
  'posted when a person had ordered it for the second time': [
    ...REFUNDING,
    ...NOT_POSTED,
    ...NOT_POSTED,
    'provider.refunded',
    'refund.confirmed',
    'entry.posted',
    ...REFUNDED,
  ],
};

const GATEWAY: Ways = {
  approved: CHARGED,
  rejected: ['payment.requested', 'payment.rejected', 'notification.queued'],
  'declined before a provider was asked': [
    'payment.requested',
    'payment.validated',
    'payment.declined',
    'notification.queued',
  ],
  'declined by the provider': [...ADMITTED, 'provider.declined', 'payment.declined', 'notification.queued'],
  'failed, as no provider could be asked': [
    ...ADMITTED,
    'provider.closed#1',
    'provider.closed#2 ← payment.authorized',
    'provider.exhausted',
    ...FAILED,
  ],
  'unknown, then approved': [...ADMITTED, 'provider.unknown', 'provider.approved', ...POSTED],
  'unknown, closed, and approved by the next provider': [
    ...ADMITTED,
    'provider.unknown#1',
    'provider.closed#1',
    'provider.approved#2',
    ...POSTED,
  ],
  'unknown at two providers, reported of one cause': [
    ...ADMITTED,
    'provider.unknown#1',
    'provider.unknown#2 ← payment.authorized',
    'provider.approved#2',
    ...POSTED,
  ],
  'unresolved, then approved late': [...UNRESOLVED, 'provider.approved ← provider.unresolved', ...POSTED],
  'unresolved, and charged as a person says': [...UNRESOLVED, ...RESOLUTION, ...POSTED],
  'unresolved, and not charged as a person says': [...UNRESOLVED, ...RESOLUTION, ...FAILED],
  'approved while a person says so': [
    ...UNRESOLVED,
    ...RESOLUTION.slice(0, 3),
    'provider.approved ← provider.unresolved',
    'payment.charged',
    'provider.resolved ← payment.charge_resolved',
    'payment.resolution_refused',
    'entry.posted ← payment.charged',
    'payment.completed',
    'notification.queued',
  ],
  'resolved by a person whose word was refused': [
    ...CHARGED,
    'payment.resolution_requested',
    'payment.resolution_admitted',
    'payment.resolution_refused',
  ],
  'cancelled before the charge': [
    ...ADMITTED,
    ...CANCELLING,
    'provider.cancelled',
    'payment.cancelled',
    'notification.queued',
  ],
  'cancelled too late': [...ADMITTED, ...CANCELLING, 'provider.approved', ...POSTED],
  'cancelled twice': [
    ...ADMITTED,
    ...CANCELLING,
    'payment.cancel_requested',
    'payment.cancel_admitted',
    'payment.cancel_refused',
    'provider.cancelled ← payment.cancelling',
    'payment.cancelled',
    'notification.queued',
  ],
  compensated: [...COMPENSATING, 'provider.refunded', ...COMPENSATED],
  'compensated late': [
    ...COMPENSATING,
    'provider.refund_unresolved',
    'payment.reconciliation_required',
    'provider.refunded ← provider.refund_unresolved',
    ...COMPENSATED,
  ],
  'parked as in doubt, refused, and given back by hand': [
    ...COMPENSATING,
    'provider.refund_unresolved',
    'payment.reconciliation_required',
    'provider.refund_refused ← provider.refund_unresolved',
    ...RESOLUTION,
    ...COMPENSATED,
  ],
  'reversed at the second time of asking': [
    ...CHARGED,
    ...RESOLUTION,
    'payment.compensating:reverse_posting',
    'posting.refused',
    'payment.compensating:reverse_posting',
    'entry.posted:reversal',
    ...COMPENSATED,
  ],
  'unresolved at two providers': [
    ...ADMITTED,
    'provider.unresolved#1',
    'payment.reconciliation_required',
    'provider.closed#1 ← provider.unresolved',
    'provider.unresolved#2',
    'provider.approved#2',
    ...POSTED,
  ],
  'completed, its reversal refused, and left as it was': [
    ...REVERSAL_REFUSED,
    ...RESOLUTION,
    'payment.upheld',
  ],
  'left as it was, and then reversed': [
    ...REVERSAL_REFUSED,
    ...RESOLUTION,
    'payment.upheld',
    ...RESOLUTION,
    'payment.compensating:reverse_posting',
    'entry.posted:reversal',
    ...COMPENSATED,
  ],
  'parked, and given back by hand': [...PARKED, ...RESOLUTION, ...COMPENSATED],
  'completed, then reversed': [
    ...CHARGED,
    ...RESOLUTION,
    'payment.compensating:reverse_posting',
    'entry.posted:reversal',
    ...COMPENSATED,
  ],
  'approved, and charged by another provider too': [
    ...CHARGED,
    'provider.charged_unexpectedly ← provider.approved',
    'provider.unexpected_charge_refunded',
  ],
  'approved, and denied by a callback': [...CHARGED, 'provider.contradicted ← provider.approved'],
};

const UNDER_WAY_FROM_BALANCE: Ways = {
  'called off, and not refused by the ledger yet': [...ADMITTED, ...CANCELLING],
};

const UNDER_WAY: Ways = {
  'waiting for its provider': ADMITTED,
  'waiting for a person': UNRESOLVED,
  'waiting for the provider to give back': COMPENSATING,
  'parked for a person': PARKED,
  'completed, and not told': CHARGED.slice(0, -1),
  'completed, and waiting for a person as it could not be undone': REVERSAL_REFUSED,
  'completed, and in a person’s doubt': [...CHARGED, ...RESOLUTION.slice(0, 2)],
  'completed, and being reversed': [...CHARGED, ...RESOLUTION, 'payment.compensating:reverse_posting'],
};

export const SAGA_PATHS: readonly SagaPath[] = [
  ...waysOf(BALANCE, { kind: 'pay', method: 'balance', verdict: 'complete' }),
  ...waysOf(BALANCE_REFUND, { kind: 'ref', method: 'balance', verdict: 'complete' }),
  ...waysOf(GATEWAY_REFUND, { kind: 'ref', method: 'gateway', verdict: 'complete' }),
  ...waysOf(GATEWAY, { kind: 'pay', method: 'gateway', verdict: 'complete' }),
  ...waysOf(UNDER_WAY_FROM_BALANCE, { kind: 'pay', method: 'balance', verdict: 'running' }),
  ...waysOf(UNDER_WAY, { kind: 'pay', method: 'gateway', verdict: 'running' }),
];

function waysOf(ways: Ways, of: Pick<SagaPath, 'kind' | 'method' | 'verdict'>): SagaPath[] {
  return Object.entries(ways).map(([way, events]) => ({
    title: `a ${of.kind === 'pay' ? 'payment' : 'refund'} (${of.method}) ${way}`,
    ...of,
    events,
  }));
}
