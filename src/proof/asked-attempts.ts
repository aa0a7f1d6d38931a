/**
 * What the coordinator has asked of the providers, and what has to stand for it until they have said how it ended: a word
 * of theirs, or an attempt that is open. An ask is theirs once they have passed its event; before that it is a lag.
 *
 * AA1: an attempt is begun in the commit that passes the event, and the next one in the commit that ends the one before it.
 *      So what is asked, and has no end, has an open attempt at every instant.
 * AA2: a person's word ends what was asked before it, and nothing that is asked later.
 */
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { textOf } from './event-data.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

type Purpose = AuditedAttempt['purpose'];

export interface Ask {
  readonly event: TracedEvent;
  readonly purpose: Exclude<Purpose, 'unexpected'>;
  /** Whose answer it is. */
  readonly stages: readonly { readonly service: 'providers' }[];
}

const PURPOSES: ReadonlyMap<string, Ask['purpose']> = new Map([
  ['payment.authorized', 'payment'],
  ['payment.compensating', 'compensation'],
  ['refund.authorized', 'refund'],
]);

const ENDS: Readonly<Record<Ask['purpose'], readonly string[]>> = {
  payment: ['provider.approved', 'provider.declined', 'provider.exhausted', 'provider.cancelled'],
  compensation: ['provider.refunded', 'provider.refund_refused'],
  refund: ['provider.refunded', 'provider.refund_refused'],
};

/** What is asked of the providers and has no end that they told of: of each purpose the first ask, the others change nothing. */
export function openAsksOf({ events }: Pick<SagaTimeline, 'events'>): Ask[] {
  const asks = new Map<string, Ask>();
  for (const event of events) {
    const purpose = purposeOf(event);
    if (purpose === undefined || asks.has(purpose)) continue;
    asks.set(purpose, { event, purpose, stages: [{ service: 'providers' }] });
  }
  return [...asks.values()].filter((ask) => !events.some((event) => isEndOf(ask, event, events)));
}

function purposeOf({ topic, type, data }: TracedEvent): Ask['purpose'] | undefined {
  if (topic !== 'authorization' || data?.['method'] !== 'gateway') return undefined;
  if (type === 'payment.compensating' && data['step'] !== 'refund_charge') return undefined;
  return PURPOSES.get(type);
}

function isEndOf({ event, purpose }: Ask, word: TracedEvent, events: readonly TracedEvent[]): boolean {
  if (word.topic !== 'providers') return false;
  if (ENDS[purpose].includes(word.type)) return true;
  if (word.type !== 'provider.resolved') return false;
  // AA2
  const said = events.find(({ identity }) => identity === word.causation);
  return said === undefined || said.position > event.position;
}

/** The charges that their payment did not want, and that nobody has told of as given back: by the attempts' ids. */
export function unwantedCharges({ events }: SagaTimeline): ReadonlyMap<string, TracedEvent> {
  const isBack = events.some(({ type }) => type === 'provider.unexpected_charge_refunded');
  if (isBack) return new Map();
  return new Map(
    events.flatMap((event) => {
      const id = textOf(event.data?.['attempt_id']);
      return event.type === 'provider.charged_unexpectedly' && id !== null ? [[id, event] as const] : [];
    }),
  );
}
