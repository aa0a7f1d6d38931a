/** Whether a stage of the flow is missing: it should have answered by now, and will not. Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { integrationSaga } from '#sagas/integration.ts';
import { stagesDueAfter } from '#sagas/saga.ts';
import { isEnded, STANDS_STILL_AFTER_MS } from '../integration.ts';

/** An integration as it stands, with its last event. */
export interface Standing {
  readonly status: string;
  readonly event: {
    readonly type: string;
    readonly partition: number;
    readonly position: number;
    readonly occurredAt: EpochMs;
  };
  /** Whether somebody outside is asked: a call has a clock of its own. */
  readonly isCalling: boolean;
}

export interface OverdueStage {
  readonly name: string;
  readonly group: string;
}

/** How far a group has read a partition of the hub's log. */
export type PositionOf = (group: string, partition: number) => number;

/**
 * Nothing as long as the group has still to come by the event: a lag is no fault (DESIGN §4). What is due by its definition within
 * seconds is left alone for as long as a person has to, before it may be replayed.
 */
export function overdueStage(
  { status, event, isCalling }: Standing,
  positionOf: PositionOf,
  now: EpochMs,
): OverdueStage | undefined {
  if (isEnded(status) || isCalling) return undefined;
  const [stage] = stagesDueAfter(integrationSaga, event.type);
  if (stage === undefined) return undefined;
  const deadlineMs = Math.max(STANDS_STILL_AFTER_MS, stage.waitsFor === undefined ? stage.deadlineMs : 0);
  if (now - event.occurredAt <= deadlineMs) return undefined;
  const { name, service: group } = stage;
  return positionOf(group, event.partition) < event.position ? undefined : { name, group };
}
