/**
 * Stages that should have answered and did not. Pure.
 *
 * U1: a stage is missing only if every group that may answer has passed the event; until then it is late, and a lag is no
 *     fault (DESIGN §4).
 * U2: what waits for the outside is never missing, nor what has lapsed: the saga has ended, or it was said before; nor is a
 *     counter-entry that was refused, which is asked for again after a pause.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { GroupedEvent } from '#platform/dead-letters/redelivery.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { isOutcome, type SagaDefinition, type Stage } from '#sagas/saga.ts';
import { growTree, stagesOwing } from './saga-tree.ts';
import { type SeenEvent, sagaOf, seenEvent } from './seen-event.ts';

/** An event that no stage has answered, and the groups of those that should. */
export interface Unanswered {
  readonly event: LogEvent;
  readonly stages: readonly { readonly name: string; readonly group: string }[];
}

/** How far a group has read a partition of a topic. */
export type PositionOf = (place: Omit<GroupedEvent, 'position'>) => number;

/** How long an event is left alone: its answer may be under way. */
const SETTLING_MS = 2000;

/** `events`: all that the logs have of the subject. */
export function unansweredIn(subject: string, events: readonly LogEvent[], now: EpochMs): Unanswered[] {
  const seen = events.map(seenEvent);
  const saga = sagaOf(subject, seen);
  if (saga === undefined) return [];
  const byIdentity = new Map(events.map((event) => [eventIdentity(event), event]));
  return growTree(saga, seen).flatMap(({ event: node, answered }): Unanswered[] => {
    const event = byIdentity.get(node.identity);
    if (answered || event === undefined || now - node.at < SETTLING_MS || isAskedForAgain(event)) return [];
    const stages = stagesOwing(saga, node)
      .filter((stage) => !hasLapsed({ saga, stage, seen }, node))
      .map(({ name, service }) => ({ name, group: service }));
    return stages.length === 0 ? [] : [{ event, stages }];
  });
}

/** U1. */
export function isPassed({ event, stages }: Unanswered, positionOf: PositionOf): boolean {
  return stages.every(({ group }) => event.position <= positionOf({ ...event, group }));
}

export function ordersFor({ event, stages }: Unanswered): GroupedEvent[] {
  const { topic, partition, position } = event;
  return [...new Set(stages.map(({ group }) => group))].map((group) => ({
    group,
    topic,
    partition,
    position,
  }));
}

export function describeUnanswered({ event, stages }: Unanswered): string {
  const groups = [...new Set(stages.map(({ group }) => group))].join(' and ');
  const names = stages.map(({ name }) => name).join(' or ');
  return `${groups} passed ${event.type} at ${eventIdentity(event)}, and the stage ${names} left no event.`;
}

/** U2 */
function hasLapsed(
  {
    saga,
    stage,
    seen,
  }: { readonly saga: SagaDefinition; readonly stage: Stage; readonly seen: readonly SeenEvent[] },
  { type }: SeenEvent,
): boolean {
  if (stage.lapsesAfter?.includes(type) !== true) return false;
  return seen.some((event) => event.type in saga.endings || isOutcome(stage, event.type));
}

/** U2 */
function isAskedForAgain({ type, data }: LogEvent): boolean {
  return type === 'posting.refused' && data['purpose'] === 'reversal';
}
