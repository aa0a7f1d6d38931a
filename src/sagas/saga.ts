/**
 * A saga is data: which stages a resource passes, who does each, by which event each succeeds or fails, how long it
 * may take, and what undoes it. The coordinator, the integrity service, the documentation and the timeline read the
 * same definition, so they cannot disagree (DESIGN §4).
 */

export interface Stage {
  /** The stage's name in verdicts: `validation`. */
  readonly name: string;
  /** The consumer group that does it. */
  readonly service: string;
  /** The event, or events, that make the stage due. */
  readonly after: readonly string[];
  readonly success: string;
  /** Events by which the stage ends without its effect. */
  readonly failures: readonly string[];
  /** After so long without either, the integrity service asks why. Between our own services it never compensates. */
  readonly deadlineMs: number;
  /** What undoes the stage's effect when a later one fails; applied in reverse order. */
  readonly compensation?: 'release_hold';
}

export interface SagaDefinition {
  readonly name: string;
  /** A running saga keeps the version it began with. */
  readonly version: number;
  readonly begins: string;
  readonly stages: readonly Stage[];
  /** Terminal events, and the status each gives to the resource. */
  readonly endings: Readonly<Record<string, string>>;
}

interface StagesByEvent {
  readonly ended: ReadonlyMap<string, Stage>;
  readonly due: ReadonlyMap<string, Stage>;
}

/** Asked several times for every event of every saga. An event ends one stage and makes one due, so each has its own. */
const stagesByEvent = new WeakMap<SagaDefinition, StagesByEvent>();

function stagesOf(saga: SagaDefinition): StagesByEvent {
  let stages = stagesByEvent.get(saga);
  if (stages === undefined) {
    const ended = saga.stages.flatMap((stage) =>
      [stage.success, ...stage.failures].map((type) => [type, stage] as const),
    );
    const due = saga.stages.flatMap((stage) => stage.after.map((type) => [type, stage] as const));
    stages = { ended: new Map(ended), due: new Map(due) };
    stagesByEvent.set(saga, stages);
  }
  return stages;
}

/** The stage that an event ends, by success or failure. */
export function stageEndedBy(saga: SagaDefinition, eventType: string): Stage | undefined {
  return stagesOf(saga).ended.get(eventType);
}

/** The stage that an event makes due; undefined when nothing follows. */
export function stageDueAfter(saga: SagaDefinition, eventType: string): Stage | undefined {
  return stagesOf(saga).due.get(eventType);
}

/** The compensations owed when `failed` fails: those of the stages before it, last first. */
export function compensationsBefore(
  saga: SagaDefinition,
  failed: Stage,
): readonly NonNullable<Stage['compensation']>[] {
  return saga.stages
    .slice(0, saga.stages.indexOf(failed))
    .flatMap((stage) => stage.compensation ?? [])
    .toReversed();
}
