/** Tells of each call whether its destination is there, for those that wait for its return. */
import type { Call } from '../calls/call.ts';
import type { Caller } from '../calls/caller.ts';
import type { CallOutcome } from '../calls/decide-call.ts';
import { destinationName } from './bury-failures.ts';

export type NoteDestination = (destination: string, isDelivered: boolean) => void;

export function watched(caller: Caller, note: NoteDestination): Pick<Caller, 'perform'> {
  return {
    async perform(call: Call, definition): Promise<CallOutcome> {
      const outcome = await caller.perform(call, definition);
      // What was not called says nothing, and what is refused is no sign of absence.
      if (outcome.kind === 'delivered') note(destinationName(call), true);
      else if (outcome.kind === 'transient' || outcome.kind === 'unknown') note(destinationName(call), false);
      return outcome;
    },
  };
}
