/** Events that nobody decided, appended to the logs by their own rules: what a service that is not there would say. */
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { Session } from '#platform/postgres/session.ts';

export interface Appending {
  readonly url: string;
  readonly partitions: number;
  /** Default now. */
  readonly at?: number;
}

/** One commit; a process that runs beside it sees them as another's. */
export async function appendEvents(
  { url, partitions, at = Date.now() }: Appending,
  topic: string,
  drafts: readonly EventDraft[],
): Promise<LogEvent[]> {
  const session = new Session({ url, name: 'appending' });
  try {
    const append = prepareAppend({ topic, partitions, occurredAt: at, drafts });
    const segments = await session.transaction((tx) => sendAppend(tx, append));
    return segments.flatMap(({ events }) => events);
  } finally {
    await session.close();
  }
}
