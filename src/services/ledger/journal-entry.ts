/** A journal entry as its readers see it. */
import { toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Entry } from './books.ts';
import { causeIdOf } from './entry-id.ts';
import type { EntryPosted } from './events.ts';
import { renderEntryPosted } from './render-events.ts';

/** An entry with its postings as the event tells them: they never change, so that is what they are. */
export interface EntryReading extends Omit<Entry, 'postings' | 'tenant'> {
  readonly postings: EntryPosted['postings'];
}

export function entryReadingOf(entry: Entry): EntryReading {
  return { ...entry, postings: renderEntryPosted(entry, causeIdOf(entry)).postings };
}

export function renderEntry(entry: EntryReading): JsonObject {
  return {
    id: idOf('jen', entry.id),
    purpose: entry.purpose,
    cause: causeIdOf(entry),
    description: entry.description ?? null,
    reference: entry.reference ?? null,
    effective_on: entry.effectiveOn ?? null,
    postings: entry.postings,
    posted_at: toRfc3339(entry.postedAt),
  };
}
