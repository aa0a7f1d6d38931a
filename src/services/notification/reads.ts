import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { readTimeline } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { findCardNotifications } from './card-store.ts';

interface NotificationRow {
  id: string;
  subject: string;
  type: string;
  payload: string;
  created_at: EpochMs;
}

export class NotificationReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Whether the payments log knows the payment or refund; nothing may have been told of it yet. */
  async isKnown(tenant: string, subject: string): Promise<boolean> {
    const events = await readTimeline(this.#reader, ['payments'], { tenant, subject });
    return events.length > 0;
  }

  /** What was told about a card transaction, oldest first; undefined if the cards' log does not know it. */
  async listOfCard(tenant: string, subject: string): Promise<JsonObject[] | undefined> {
    const events = await readTimeline(this.#reader, ['cards'], { tenant, subject });
    if (events.length === 0) return undefined;
    const told = await findCardNotifications(this.#reader, events);
    return told.map(({ partition, position, payload, createdAt }) => {
      const parsed = JSON.parse(payload) as JsonObject;
      return {
        id: idOf('ntf', derivedUuid('cards', `${partition}`, `${position}`, subject)),
        subject,
        type: parsed['type'] ?? null,
        payload: parsed,
        created_at: toRfc3339(createdAt),
      };
    });
  }

  /** What was told about a subject, oldest first; by primary key. */
  async list(tenant: string, subject: string): Promise<JsonObject[]> {
    const rows = await this.#reader.query<NotificationRow>(
      `select id, subject, type, payload, created_at from notification.notifications
       where subject = $1 and tenant = $2 order by created_at, type`,
      [subject, tenant],
    );
    return rows.map((row) => ({
      id: idOf('ntf', row.id),
      subject: row.subject,
      type: row.type,
      payload: JSON.parse(row.payload) as JsonObject,
      created_at: toRfc3339(row.created_at),
    }));
  }
}
