/**
 * What the coordinator asks of the providers, as attempts: rows that this batch commits, and whose requests leave after
 * it. It calls nobody.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { causationsIn } from '#platform/log/own-effects.ts';
import type {
  ChargeResolved,
  PaymentAuthorized,
  PaymentCancelling,
  RefundAuthorized,
} from '#services/authorization/contract.ts';
import type { AttemptChanges, Attempts } from './attempts.ts';
import {
  beginCharge,
  type Compensating,
  callOff,
  type EventContext,
  giveChargeBack,
  refundPayment,
} from './begin-attempts.ts';
import type { DecisionContext } from './decision-context.ts';
import { resolve } from './resolve-charge.ts';
import { lockAttempts, saveAttempts } from './store.ts';

interface Loaded {
  readonly attempts: Attempts;
  /** Identities of the resolutions that were answered before. */
  readonly answered: ReadonlySet<string>;
}

interface Plan extends ConsumerPlan {
  readonly changes: AttemptChanges;
  readonly now: EpochMs;
}

export interface ProviderConsumerOptions {
  readonly decisions: Omit<DecisionContext, 'now'>;
  /** How many charges this process would send to each provider just now; those that would get none are left out. */
  readonly rooms: () => Map<string, number>;
  /** After each commit. */
  readonly onCommitted: (changes: AttemptChanges) => void;
}

type Asked =
  | (LogEvent<PaymentAuthorized> & { readonly type: 'payment.authorized' })
  | (LogEvent<PaymentCancelling> & { readonly type: 'payment.cancelling' })
  | (LogEvent<ChargeResolved> & { readonly type: 'payment.charge_resolved' })
  | (LogEvent<Compensating> & { readonly type: 'payment.compensating' })
  | (LogEvent<RefundAuthorized> & { readonly type: 'refund.authorized' });

const HANDLES: ReadonlyMap<Asked['type'], number> = new Map([
  ['payment.authorized', 2],
  ['payment.cancelling', 1],
  ['payment.charge_resolved', 1],
  ['payment.compensating', 1],
  ['refund.authorized', 1],
]);

export function providerConsumer(options: ProviderConsumerOptions): Consumer<Loaded, Plan> {
  return {
    group: 'providers',
    topics: ['authorization'],
    emits: 'providers',
    handles: HANDLES,
    // Payments by balance pass by.
    concerns: isForProviders,
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const asked = events as readonly Asked[]; // by `concerns`
      const resolutions = asked.filter(({ type }) => type === 'payment.charge_resolved');
      const [attempts, answered] = await Promise.all([
        lockAttempts(tx, asked.flatMap(subjectsOf)),
        causationsIn(tx, 'providers', resolutions),
      ]);
      return { attempts, answered };
    },
    decide({ attempts, answered }, events, now, { isAgain } = { isAgain: false }) {
      const rooms = options.rooms();
      const context: EventContext = {
        ...options.decisions,
        routing: { ...options.decisions.routing, hasRoom: (provider) => rooms.has(provider) },
        now,
        isAgain,
        takePlace: (provider) => takePlace(rooms, provider),
      };
      for (const event of events as readonly Asked[])
        answer(attempts, event, {
          context: { ...context, now: attempts.instantFor(event.subject, now) },
          answered,
        });
      const changes = attempts.changes();
      return { drafts: changes.drafts, changes, now };
    },
    save: (tx, { changes, now }) => saveAttempts(tx, changes, now),
    committed: ({ changes }) => options.onCommitted(changes),
  };
}

/** A refund's questions have room of their own; the dispatcher bounds both. */
function takePlace(rooms: Map<string, number>, provider: string): boolean {
  const room = rooms.get(provider);
  if (room === undefined) return false;
  if (room > 1) rooms.set(provider, room - 1);
  else rooms.delete(provider);
  return true;
}

function isForProviders(event: LogEvent): event is Asked {
  if (!HANDLES.has(event.type as Asked['type'])) return false;
  const { method } = event.data as { method?: string };
  return method === 'gateway';
}

/** A refund's provider is the one that charged the payment. */
function subjectsOf(event: Asked): string[] {
  return event.type === 'refund.authorized' ? [event.subject, event.data.payment_id] : [event.subject];
}

function answer(
  attempts: Attempts,
  event: Asked,
  { context, answered }: { context: EventContext; answered: Loaded['answered'] },
): void {
  switch (event.type) {
    case 'payment.authorized':
      return beginCharge(attempts, event, context);
    case 'payment.cancelling':
      return callOff(attempts, event, context);
    case 'payment.charge_resolved':
      return resolve(attempts, event, {
        ...context,
        isAnswered: answered.has(eventIdentity(event)),
      });
    case 'payment.compensating':
      return giveChargeBack(attempts, event, context);
    case 'refund.authorized':
      return refundPayment(attempts, event, context);
    default:
      assertNever(event);
  }
}
