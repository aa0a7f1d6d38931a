/** What providers, validation, the ledger and persons may say to the coordinator, in a word, and how each state is come to. */
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { AMOUNT, SagaScenario, type ScenarioOptions } from './saga-scenario.ts';

const ATTEMPT = { attempt_id: 'att_01h455vb4pex5vsknk084sn02q', provider: 'alfa', number: 1 };
const CHARGED = { ...ATTEMPT, amount: AMOUNT, currency: 'USD', provider_reference: null };
const FAILURE = { code: 'providers.some_code', detail: 'Some detail.' };
const RESOLUTION = { reason: 'looked', actor: 'ana', regarding: 'charge' };

export const TOLD = {
  approved: ['providers', 'provider.approved', CHARGED],
  declined: ['providers', 'provider.declined', { ...ATTEMPT, ...FAILURE }],
  exhausted: ['providers', 'provider.exhausted', { attempts: 3, ...FAILURE }],
  'called off': ['providers', 'provider.cancelled', { attempts: 1, detail: 'Voided.' }],
  unresolved: ['providers', 'provider.unresolved', { ...ATTEMPT, detail: 'Silence.' }],
  'resolved charged': ['providers', 'provider.resolved', { outcome: 'charged', provider: null, detail: '.' }],
  'resolved not charged': [
    'providers',
    'provider.resolved',
    { outcome: 'not_charged', provider: null, detail: '.' },
  ],
  refunded: ['providers', 'provider.refunded', CHARGED],
  'refund refused': ['providers', 'provider.refund_refused', { ...ATTEMPT, ...FAILURE }],
  'refund unresolved': ['providers', 'provider.refund_unresolved', { ...ATTEMPT, detail: 'Silence.' }],
  cancel: ['validation', 'payment.cancel_admitted', { actor: 'ana' }],
  'say charged': ['validation', 'payment.resolution_admitted', { ...RESOLUTION, outcome: 'charged' }],
  'say not charged': ['validation', 'payment.resolution_admitted', { ...RESOLUTION, outcome: 'not_charged' }],
  /** That a payment which was completed was not charged after all. */
  revoke: [
    'validation',
    'payment.resolution_admitted',
    { ...RESOLUTION, outcome: 'not_charged', regarding: 'completion' },
  ],
} as const satisfies Record<string, readonly [topic: string, type: string, data: JsonObject]>;

export type Told = keyof typeof TOLD;

export type EventName = Told | 'validated' | 'posted' | 'reversed' | 'refused' | 'reversal refused';

export const EVENTS: readonly EventName[] = [
  ...(Object.keys(TOLD) as Told[]),
  'validated',
  'posted',
  'reversed',
  'refused',
  'reversal refused',
];

/** The event, as its sender would append it: what the ledger posts moves money where it can. */
export function make(s: SagaScenario, name: EventName): LogEvent {
  if (name === 'validated') return s.tell('validation', 'payment.validated', s.terms);
  if (name === 'posted') return ledgerSays(s, 'payment');
  if (name === 'reversed') return ledgerSays(s, 'reversal');
  if (name === 'refused') return s.refusePosting(s.log.at(-1) ?? make(s, 'approved'));
  if (name === 'reversal refused') return s.refusePosting(s.log.at(-1) ?? make(s, 'approved'), 'reversal');
  const [topic, type, data] = TOLD[name];
  return s.tell(topic, type, data);
}

function ledgerSays(s: SagaScenario, purpose: 'payment' | 'reversal'): LogEvent {
  const { state } = s.sagas.findPayment(s.uuid) ?? {};
  const isAwaited = purpose === 'payment' ? ['authorized', 'charged'] : ['compensating'];
  const order = s.log.findLast(({ topic }) => topic === 'authorization');
  const posted = order && isAwaited.includes(state ?? '') ? s.post(order) : undefined;
  return posted ?? s.tell('ledger', 'entry.posted', { purpose, postings: [] });
}

export function given(method: ScenarioOptions['method'], events: readonly EventName[]): SagaScenario {
  const s = new SagaScenario({ method });
  for (const name of events) s.coordinate(make(s, name));
  return s;
}

const REVERSING = ['validated', 'approved', 'posted', 'revoke', 'resolved not charged'] as const;

/** How each state of a gateway payment is come to. */
export const GATEWAY = {
  unknown: [],
  authorized: ['validated'],
  charged: ['validated', 'approved'],
  cancelling: ['validated', 'cancel'],
  reconciling: ['validated', 'unresolved'],
  'cancelling and reconciling': ['validated', 'cancel', 'unresolved'],
  'resolving as charged': ['validated', 'unresolved', 'say charged'],
  'resolving as not charged': ['validated', 'unresolved', 'say not charged'],
  completed: ['validated', 'approved', 'posted'],
  'completed by a person': ['validated', 'unresolved', 'say charged', 'resolved charged', 'posted'],
  'revoking what was completed': ['validated', 'approved', 'posted', 'revoke'],
  'reversing a posting': REVERSING,
  'refunding a charge': ['validated', 'approved', 'refused'],
  'parked after a refused refund': ['validated', 'approved', 'refused', 'refund refused'],
  'parked without an answer': ['validated', 'approved', 'refused', 'refund unresolved'],
  'revoking what was parked': ['validated', 'approved', 'refused', 'refund refused', 'say not charged'],
  'parked after a refused reversal': [...REVERSING, 'reversal refused'],
  'revoking a reversal that was refused': [...REVERSING, 'reversal refused', 'say charged'],
  'completed as before': [...REVERSING, 'reversal refused', 'say charged', 'resolved charged'],
  declined: ['validated', 'declined'],
  failed: ['validated', 'exhausted'],
  cancelled: ['validated', 'cancel', 'called off'],
  compensated: ['validated', 'approved', 'refused', 'refunded'],
  'compensated after it was completed': [...REVERSING, 'reversed'],
} as const satisfies Record<string, readonly EventName[]>;

export const BALANCE = {
  unknown: [],
  authorized: ['validated'],
  cancelling: ['validated', 'cancel'],
  completed: ['validated', 'posted'],
  failed: ['validated', 'refused'],
  cancelled: ['validated', 'cancel', 'refused'],
} as const satisfies Record<string, readonly EventName[]>;

/** The answer, and the saga's state behind it. */
