import { renderCloudEvent } from '../log/cloud-event.ts';
import type { JsonObject } from '../log/event.ts';
import { type DeadLetter, renderDeadLetter } from './dead-letter.ts';
import type { DeadLetterReads } from './reads.ts';

/** A dead letter with all that is known about it, rendered. */
export async function readDetail(reads: DeadLetterReads, letter: DeadLetter): Promise<JsonObject> {
  const [event, behind, actions] = await Promise.all([
    reads.original(letter),
    reads.behind(letter),
    reads.actions(letter),
  ]);
  return {
    ...renderDeadLetter(letter),
    event: event === undefined ? null : renderCloudEvent(event),
    edited_data: letter.edited_data === null ? null : (JSON.parse(letter.edited_data) as JsonObject),
    parked: { ...behind },
    actions,
  };
}
