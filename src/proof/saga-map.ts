/** What a saga's definition allows and asks for, read off it once: the proof's own reading, shared with nobody. */
import { PAYMENT_SAGAS, REFUND_SAGAS, SAGAS } from '#sagas/definitions.ts';
import type { SagaDefinition, Stage } from '#sagas/saga.ts';
import { textOf } from './event-data.ts';
import type { TracedEvent } from './traced-event.ts';

export class SagaMap {
  readonly definition: SagaDefinition;
  /** By the type of the cause, then by the type of what it may cause. */
  readonly #answers = new Map<string, Map<string, Stage[]>>();

  constructor(definition: SagaDefinition) {
    this.definition = definition;
    for (const stage of definition.stages) {
      const reports = stage.reports ?? [];
      for (const cause of [...stage.after, ...reports]) {
        const answers = this.#answers.get(cause) ?? new Map<string, Stage[]>();
        this.#answers.set(cause, answers);
        for (const type of [stage.success, ...stage.failures, ...reports])
          answers.set(type, [...(answers.get(type) ?? []), stage]);
      }
    }
  }

  /** The stage by which `cause` may have caused an event of the type. */
  between(cause: TracedEvent, type: string): Stage | undefined {
    return this.#answers
      .get(cause.type)
      ?.get(type)
      ?.find((stage) => isMeant(stage, cause));
  }

  /** The stages of ours that the event makes due: one of them must answer it. */
  owedAfter(event: TracedEvent): readonly Stage[] {
    return this.definition.stages.filter(
      (stage) => stage.after.includes(event.type) && stage.waitsFor !== 'outside' && isMeant(stage, event),
    );
  }

  isIntervention({ type, causation }: TracedEvent): boolean {
    return this.definition.interventions.includes(type) && causation.startsWith('req_');
  }

  isIncident({ type }: TracedEvent): boolean {
    return Object.hasOwn(this.definition.incidents, type);
  }

  isEnding({ type }: TracedEvent): boolean {
    return Object.hasOwn(this.definition.endings, type);
  }
}

/** A compensation answers only the event that asks for it by name, and its own reports. */
function isMeant({ undoes, reports }: Stage, cause: TracedEvent): boolean {
  if (undoes === undefined || reports?.includes(cause.type) === true) return true;
  return undoes === textOf(cause.data?.['step']);
}

const MAPS = new Map(SAGAS.map((saga) => [saga, new SagaMap(saga)]));

/** The saga that the events follow, by what they are about and how it is paid; undefined without a beginning. */
export function sagaMapFor(subject: string, events: readonly TracedEvent[]): SagaMap | undefined {
  const byMethod = subject.startsWith('ref_') ? REFUND_SAGAS : PAYMENT_SAGAS;
  const beginning = events.find(({ type }) => type === byMethod.balance.begins);
  if (beginning === undefined) return undefined;
  return MAPS.get(byMethod[beginning.data?.['method'] === 'gateway' ? 'gateway' : 'balance']);
}

const KNOWN: ReadonlySet<string> = new Set(
  SAGAS.flatMap(({ begins, interventions, incidents, stages }) => [
    begins,
    ...interventions,
    ...Object.keys(incidents),
    ...stages.flatMap(({ success, failures, reports = [] }) => [success, ...failures, ...reports]),
  ]),
);

/** Whether any saga speaks of such events. */
export function isOfSagas({ type }: { readonly type: string }): boolean {
  return KNOWN.has(type);
}
