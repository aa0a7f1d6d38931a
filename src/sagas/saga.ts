/**
 * A saga is data: which stages a resource passes, who does each, by which event each succeeds or fails, how long it
 * may take, and what undoes it. The coordinator, the integrity service, the documentation and the timeline read the
 * same definition, so they cannot disagree (DESIGN §4).
 *
 * Every event of a saga is caused by an event that makes one of its stages due, except the first one and those by which
 * a person intervenes (and incidents, which any event of it may cause). So its events are a tree; where nobody
 * intervenes and nothing goes wrong, a line.
 */

/** What undoes a stage's effect. `release_hold` is done where it is decided; the others are asked of another service. */
export type Compensation = 'release_hold' | 'refund_charge' | 'reverse_posting' | 'undo_delivery';

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
  /** Events by which the stage says where it stands before it ends; each may come more than once. */
  readonly reports?: readonly string[];
  /**
   * After so long without an end. Between our own services the integrity service then asks why, and nothing is
   * compensated; a stage that waits for the outside world says so itself.
   */
  readonly deadlineMs: number;
  /** Whom the stage waits for, if not for ourselves. What then never comes is no fault of the saga. */
  readonly waitsFor?: 'outside';
  /** What undoes the stage's effect when a later one fails; applied in reverse order. */
  readonly compensation?: Compensation;
  /** The compensation that the stage itself is. It is due after an event whose `step` is that one. */
  readonly undoes?: Compensation;
  /**
   * After these the stage says nothing if it has been said already: the saga has come to an end, or to what the stage
   * would say (a person was asked for before). After the rest of `after` it always answers.
   */
  readonly lapsesAfter?: readonly string[];
}

/** What may come to light about the outside world at any time, and concerns a person, but makes no saga unsound. */
export type IncidentKind = 'unexpected_charge' | 'contradiction';

export interface SagaDefinition {
  /** `payment.balance`. */
  readonly name: string;
  /** A running saga keeps the version it began with; it changes when one would go on differently. */
  readonly version: number;
  readonly begins: string;
  /** Events by which a person changes the saga's way; each may come more than once, at any time. */
  readonly interventions: readonly string[];
  readonly stages: readonly Stage[];
  /** Terminal events, and the status each gives to the resource. */
  readonly endings: Readonly<Record<string, string>>;
  /** Other events that give a status, which an ending replaces. */
  readonly standings: Readonly<Record<string, string>>;
  /** Endings that may come after another one, and after which: it turned out to be wrong. */
  readonly corrections: Readonly<Record<string, string>>;
  /** Events that tell of an incident, caused by any event of the saga, and as what each is kept. Nothing follows them. */
  readonly incidents: Readonly<Record<string, IncidentKind>>;
}

interface StagesByEvent {
  readonly ended: ReadonlyMap<string, Stage>;
  readonly due: ReadonlyMap<string, readonly Stage[]>;
}

/** Asked several times for every event of every saga. */
const stagesByEvent = new WeakMap<SagaDefinition, StagesByEvent>();

function stagesOf(saga: SagaDefinition): StagesByEvent {
  let stages = stagesByEvent.get(saga);
  if (stages === undefined) {
    const ended = new Map<string, Stage>();
    const due = new Map<string, Stage[]>();
    for (const stage of saga.stages) {
      for (const type of outcomesOf(stage)) if (!ended.has(type)) ended.set(type, stage);
      for (const type of [...stage.after, ...(stage.reports ?? [])])
        due.set(type, [...(due.get(type) ?? []), stage]);
    }
    stages = { ended, due };
    stagesByEvent.set(saga, stages);
  }
  return stages;
}

/** Everything that a stage says: its success, its failures, its reports. */
export function outcomesOf({ success, failures, reports = [] }: Stage): readonly string[] {
  return [success, ...failures, ...reports];
}

export function isOutcome({ success, failures, reports }: Stage, eventType: string): boolean {
  return success === eventType || failures.includes(eventType) || reports?.includes(eventType) === true;
}

/** The stage that an event is an outcome of; the first, if there are several. */
export function stageEndedBy(saga: SagaDefinition, eventType: string): Stage | undefined {
  return stagesOf(saga).ended.get(eventType);
}

/** The stages that an event makes due, or leaves due, in the order of the definition; none when nothing follows. */
export function stagesDueAfter(saga: SagaDefinition, eventType: string): readonly Stage[] {
  return stagesOf(saga).due.get(eventType) ?? [];
}

/** Every type of event that the saga knows. */
export function eventTypesOf({
  begins,
  interventions,
  stages,
  incidents,
}: SagaDefinition): readonly string[] {
  const types = [begins, ...interventions, ...stages.flatMap(outcomesOf), ...Object.keys(incidents)];
  return [...new Set(types)];
}

/** The compensations owed when `failed` fails: those of the stages before it, last first. */
export function compensationsBefore(saga: SagaDefinition, failed: Stage): readonly Compensation[] {
  return saga.stages
    .slice(0, saga.stages.indexOf(failed))
    .flatMap((stage) => stage.compensation ?? [])
    .toReversed();
}

/** `payment.balance/1`: how a stored saga names its definition. */
export function definitionName({ name, version }: Pick<SagaDefinition, 'name' | 'version'>): string {
  return `${name}/${version}`;
}
