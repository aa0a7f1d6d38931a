/** Stage five of the flow: renders and stores what is to be told about a payment's end, and says so. */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { renderNotification } from './render-notification.ts';
import { findNotifications, insertNotifications, type Notification, notificationKey } from './store.ts';

interface Plan extends ConsumerPlan {
  readonly notifications: readonly Notification[];
  readonly now: EpochMs;
}

type Loaded = ReadonlySet<string>;

export function notificationConsumer(): Consumer<Loaded, Plan> {
  return {
    group: 'notification',
    topics: ['authorization', 'validation'],
    emits: 'notification',
    handles: new Map(Object.keys(balancePayment.endings).map((type) => [type, 1])),
    paceMs: 60,
    batchMax: 2000,
    load: (tx, events) => findNotifications(tx, events),
    decide: (told, events, now) => {
      const fresh = events.filter((event) => !told.has(notificationKey(event)));
      const notifications = fresh.map((event) => notify(event));
      const drafts = fresh.map((event, index) =>
        follow(event, {
          type: 'notification.queued',
          data: {
            notification_id: idOf('ntf', (notifications[index] as Notification).uuid),
            about: event.type,
          },
        }),
      );
      return { drafts, notifications, now };
    },
    save: (tx, { notifications, now }) => insertNotifications(tx, notifications, now),
  };
}

function notify(event: LogEvent): Notification {
  return {
    uuid: derivedUuid(event.subject, event.type),
    subject: event.subject,
    type: event.type,
    tenant: event.tenant,
    payload: renderNotification(event),
  };
}
