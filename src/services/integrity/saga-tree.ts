/**
 * The events of a saga as the tree that their causations make of them: the beginning and what persons asked are its
 * roots, and under each event stands what it caused, as far as the definition lets such an event follow.
 *
 * T1: an event is in the tree only if its cause is, and makes or leaves due a stage of which it is an outcome.
 * T2: the order is a function of the events, in whatever order they were seen: by time, but none before its cause.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { isOutcome, type SagaDefinition, type Stage, stagesDueAfter } from '#sagas/saga.ts';
import type { SeenEvent } from './seen-event.ts';

export interface TreeNode {
  readonly event: SeenEvent;
  /** The stage that it is an outcome of; undefined for roots and incidents. */
  readonly stage: Stage | undefined;
  /** Its instant, or its cause's if that is later. */
  readonly since: EpochMs;
  readonly depth: number;
  /** Whether some stage answered it. */
  answered: boolean;
}

/** A request of a person is named by its id, everything else by where it stands in a log. */
const ASKED = 'req_';

/** In order (T2); empty without a beginning. */
export function growTree(saga: SagaDefinition, seen: readonly SeenEvent[]): readonly TreeNode[] {
  const beginning = seen.find(({ type }) => type === saga.begins);
  if (beginning === undefined) return [];
  const caused = Map.groupBy(seen, ({ causation }) => causation);
  const placed = new Set<string>();
  const nodes: TreeNode[] = [];
  const place = (event: SeenEvent, stage: Stage | undefined, cause: TreeNode | undefined): void => {
    if (placed.has(event.identity)) return;
    placed.add(event.identity);
    const since = Math.max(event.at, cause?.since ?? beginning.at);
    nodes.push({ event, stage, since, depth: cause === undefined ? 0 : cause.depth + 1, answered: false });
  };
  place(beginning, undefined, undefined);
  for (const event of seen) if (isIntervention(saga, event)) place(event, undefined, undefined);
  // The list grows while it is walked.
  for (const node of nodes) {
    for (const event of caused.get(node.event.identity) ?? []) {
      const stage = stageAnswered(saga, node.event, event.type);
      if (stage !== undefined) node.answered = true;
      if (stage !== undefined || event.type in saga.incidents) place(event, stage, node);
    }
  }
  return nodes.sort(inOrder);
}

function isIntervention({ interventions }: SagaDefinition, { type, causation }: SeenEvent): boolean {
  return interventions.includes(type) && causation.startsWith(ASKED);
}

function inOrder(a: TreeNode, b: TreeNode): number {
  if (a.since !== b.since) return a.since - b.since;
  if (a.depth !== b.depth) return a.depth - b.depth;
  return a.event.identity < b.event.identity ? -1 : 1;
}

/** The stage that `cause` makes or leaves due and that such an event is an outcome of (T1). */
export function stageAnswered(saga: SagaDefinition, cause: SeenEvent, type: string): Stage | undefined {
  for (const stage of stagesDueAfter(saga, cause.type)) {
    if (isOutcome(stage, type) && isAskedFor(stage, cause)) return stage;
  }
  return undefined;
}

/** A compensation is made due only by an event that asks for that very one; its own reports leave it due. */
function isAskedFor({ undoes, after }: Stage, { type, mark }: SeenEvent): boolean {
  return undoes === undefined || undoes === mark || !after.includes(type);
}

/** The stages of ours that must answer the event; what waits for the outside may never come. */
export function stagesOwing(saga: SagaDefinition, event: SeenEvent): readonly Stage[] {
  return stagesDueAfter(saga, event.type).filter(
    (stage) => stage.waitsFor === undefined && stage.after.includes(event.type) && isAskedFor(stage, event),
  );
}
