/**
 * What of a running saga should have happened by now. Between our own services a late stage is a reason to ask why, and
 * never one to undo anything (D4, DESIGN §4): it is told as a finding, and goes away when the stage answers.
 */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import type { Finding } from './follow-saga.ts';
import { growTree, stagesOwing } from './saga-tree.ts';
import { type SeenEvent, sagaOf } from './seen-event.ts';

export function overdueStages(subject: string, seen: readonly SeenEvent[], now: EpochMs): Finding[] {
  const saga = sagaOf(subject, seen);
  if (saga === undefined) return [];
  return growTree(saga, seen)
    .filter(({ answered, event }) => !answered && !isAskedForAgain(event, seen))
    .flatMap(({ event }) =>
      stagesOwing(saga, event)
        .filter(
          (stage) => stage.lapsesAfter?.includes(event.type) !== true && now - event.at > stage.deadlineMs,
        )
        .map(({ name, service, deadlineMs }) => ({
          kind: 'overdue_stage' as const,
          event: event.identity,
          detail: `${name} is due at ${service} since ${toRfc3339(event.at)}; it has ${deadlineMs} ms.`,
        })),
    );
}

/** A counter-entry that was refused is asked for again after a pause, which may be long, or put before a person. */
function isAskedForAgain({ type, causation }: SeenEvent, seen: readonly SeenEvent[]): boolean {
  if (type !== 'posting.refused') return false;
  return seen.find(({ identity }) => identity === causation)?.type === 'payment.compensating';
}
