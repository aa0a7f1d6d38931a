import { renderCloudEvent } from '../log/cloud-event.ts';
import type { JsonObject } from '../log/event.ts';
import { type DeadLetter, renderDeadLetter } from './dead-letter.ts';
import type { GivenUpReads } from './given-up.ts';
import type { DeadLetterReads } from './reads.ts';

/** A dead letter with all that is known about it, rendered. */
export async function readDetail(
  reads: DeadLetterReads,
  letter: DeadLetter,
  works: readonly GivenUpReads[],
): Promise<JsonObject> {
  const [event, behind, actions, work] = await Promise.all([
    reads.original(letter),
    reads.behind(letter),
    reads.actions(letter),
    letter.work === null ? null : (workOf(letter, works)?.describe(letter) ?? null),
  ]);
  return {
    ...renderDeadLetter(letter),
    event: event === undefined ? null : renderCloudEvent(event),
    edited_data: letter.edited_data === null ? null : (JSON.parse(letter.edited_data) as JsonObject),
    work,
    parked: { ...behind },
    actions,
  };
}

/** The service that has given it up. */
export function workOf(letter: DeadLetter, works: readonly GivenUpReads[]): GivenUpReads | undefined {
  return works.find(({ groups }) => groups.includes(letter.consumer_group));
}
