/**
 * Tells the holders of cards what was approved, captured, released and given back. A group of its own, so that neither cards
 * hold up what is told of payments nor the other way round, and without an event of its own: a second one for each decision
 * would cost the machine more than the first (docs/adr/0022).
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { CARD_NOTIFICATION_GROUP, NOTIFIED_CARD_EVENTS } from '#sagas/card-transaction.ts';
import { type CardNotification, insertCardNotifications } from './card-store.ts';
import { renderCardNotification } from './render-card-notification.ts';

interface Plan extends ConsumerPlan {
  readonly notifications: readonly CardNotification[];
  readonly now: EpochMs;
}

export function cardNotificationConsumer(): Consumer<undefined, Plan> {
  return {
    group: CARD_NOTIFICATION_GROUP,
    topics: ['cards'],
    emits: null,
    handles: new Map(NOTIFIED_CARD_EVENTS.map((type) => [type, 1])),
    // Nobody waits: few batches leave the machine to the decisions, and small ones the thread: rendering 500 takes some ms.
    paceMs: 100,
    batchMax: 500,
    // What was told before is found by the insert.
    load: async () => undefined,
    decide: (_loaded, events, now) => ({
      drafts: [],
      notifications: events.map((event) => ({
        partition: event.partition,
        position: event.position,
        tenant: event.tenant,
        payload: renderCardNotification(event),
      })),
      now,
    }),
    save: (tx, { notifications, now }) => insertCardNotifications(tx, notifications, now),
  };
}
