/** The notifications made anew from the logs: one for each notification.queued, about the event that caused it. */
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type {
  Correction,
  ModelTransaction,
  ReadModel,
  SubjectsInRange,
  Timeline,
} from '#platform/log/read-model.ts';
import { textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import type { NotificationQueued } from './events.ts';
import { renderNotification } from './render-notification.ts';
import { correctedBy } from './told-endings.ts';

const WRITE = `
  insert into notification.notifications as n (subject, type, id, tenant, payload, created_at)
   select * from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
   on conflict (subject, type) do update
     set id = excluded.id, tenant = excluded.tenant, payload = excluded.payload, created_at = excluded.created_at
     where n.* is distinct from excluded.*
   returning 1 as written`;

/** By primary key, a range of subjects. */
const REMOVE = `
  delete from notification.notifications n
   where ($1::text is null or n.subject > $1) and ($2::text is null or n.subject <= $2) and not exists (
     select from unnest($3::text[], $4::text[]) as told(subject, type)
     where told.subject = n.subject and told.type = n.type
   )
   returning 1 as removed`;

export const notificationsModel: ReadModel = {
  name: 'notifications',
  group: 'notification',
  topics: ['validation', 'authorization', 'notification'],
  correct: correctNotifications,
};

interface Told {
  readonly queued: LogEvent<NotificationQueued>;
  readonly ending: LogEvent;
  /** The type of the ending, told before, that this one takes back. */
  readonly corrects: string | undefined;
}

async function correctNotifications(
  tx: ModelTransaction,
  { after, upTo, timelines }: SubjectsInRange,
): Promise<Correction> {
  const told = timelines.flatMap(toldIn);
  const subjects = textArray(told.map(({ ending }) => ending.subject));
  const types = textArray(told.map(({ ending }) => ending.type));
  const [written, removed] = await Promise.all([
    tx.query(WRITE, [
      subjects,
      types,
      uuidArray(told.map(({ ending }) => derivedUuid(ending.subject, ending.type))),
      textArray(told.map(({ ending }) => ending.tenant)),
      textArray(told.map(({ ending, corrects }) => renderNotification(ending, corrects))),
      timestamptzArray(told.map(({ queued }) => queued.occurredAt)),
    ]),
    tx.query(REMOVE, [after, upTo, subjects, types]),
  ]);
  return { written: written.length, removed: removed.length };
}

/**
 * A row and its notification.queued are of one commit: what was not queued was not told. What is taken back comes before
 * what takes it back in the coordinator's log, and so it was told before.
 */
function toldIn({ events }: Timeline): Told[] {
  const told = new Map<string, Told>();
  for (const event of events) {
    if (event.type !== 'notification.queued') continue;
    const ending = events.find((other) => eventIdentity(other) === event.causation);
    if (ending === undefined) continue;
    const corrected = correctedBy(ending.type);
    const corrects = corrected !== undefined && told.has(corrected) ? corrected : undefined;
    told.set(ending.type, { queued: event as LogEvent<NotificationQueued>, ending, corrects });
  }
  return [...told.values()];
}
