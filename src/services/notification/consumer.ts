/** The last stage of every saga: renders and stores what is to be told about its end, and says so. */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { renderNotification } from './render-notification.ts';
import { findNotifications, insertNotifications, type Notification, notificationKey } from './store.ts';
import { correctedBy, TOLD_ENDINGS } from './told-endings.ts';

interface Plan extends ConsumerPlan {
  readonly notifications: readonly Notification[];
  readonly now: EpochMs;
}

/** What has been told, by `notificationKey`; of the batch's events and of those that they take back. */
type Loaded = Set<string>;

export function notificationConsumer(): Consumer<Loaded, Plan> {
  return {
    group: 'notification',
    topics: ['authorization', 'validation'],
    emits: 'notification',
    handles: TOLD_ENDINGS,
    // Nobody waits for it: a fixed cost of a commit less for every other payment that is told of.
    paceMs: 150,
    batchMax: 2000,
    load: (tx, events) => findNotifications(tx, [...events, ...events.flatMap(correctedEvents)]),
    decide(told, events, now) {
      const fresh = events.filter((event) => !told.has(notificationKey(event)));
      const notifications = fresh.map((event) => tell(told, event));
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

/** Told then: what takes it back in the same batch has to say so. */
function tell(told: Loaded, event: LogEvent): Notification {
  told.add(notificationKey(event));
  const [corrected] = correctedEvents(event);
  const takesBack = corrected !== undefined && told.has(notificationKey(corrected));
  return {
    uuid: derivedUuid(event.subject, event.type),
    subject: event.subject,
    type: event.type,
    tenant: event.tenant,
    payload: renderNotification(event, takesBack ? corrected.type : undefined),
  };
}

function correctedEvents({ subject, type }: LogEvent): { subject: string; type: string }[] {
  const corrected = correctedBy(type);
  return corrected === undefined ? [] : [{ subject, type: corrected }];
}
