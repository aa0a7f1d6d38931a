/**
 * What became of a saga, judged from its events and its definition by an implementation of its own: the integrity
 * service's verdicts are compared with it.
 *
 * A saga is sound if each of its events can be traced back, cause by cause, to the beginning or to what a person asked,
 * and the definition allows every step of the way; if of one cause no stage ended twice; if it ended once, or once and
 * then by the correction of that ending; and if all are about the same terms. It has ended when it has an ending and no
 * stage of ours owes an answer. What a provider may still say is awaited by nobody then.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Stage } from '#sagas/saga.ts';
import { entryOf, movedTermsOf, type ToldTerms, textOf, toldTermsOf } from './event-data.ts';
import { isOfSagas, type SagaMap } from './saga-map.ts';
import type { TracedEvent } from './traced-event.ts';

export interface SagaFault {
  readonly kind:
    | 'missing_beginning'
    | 'missing_stage'
    | 'repeated_event'
    | 'second_outcome'
    | 'second_ending'
    | 'event_out_of_line'
    | 'mismatched_terms'
    | 'unreadable_event';
  readonly detail: string;
}

/** An event that no stage has answered, and those of which one must. */
export interface OwedAnswer {
  readonly event: TracedEvent;
  readonly stages: readonly Stage[];
}

export interface SagaJudgement {
  readonly ended: boolean;
  /** The events that follow from the beginning: by time, none before its cause. */
  readonly line: readonly TracedEvent[];
  readonly owed: readonly OwedAnswer[];
  readonly faults: readonly SagaFault[];
  /** Some stage ended twice: then the saga is broken before it has ended. */
  readonly repeats: boolean;
  /** Events that tell of an incident at a provider: kept, and no fault. */
  readonly incidents: number;
}

/** `events` in no order, of one saga; types that no definition names are not looked at. */
export function judgeSaga(map: SagaMap | undefined, events: readonly TracedEvent[]): SagaJudgement {
  const own = events.filter(isOfSagas);
  if (map === undefined) return unbegun(own);
  const traces = new Traces(map, own);
  const line = traces.inOrder();
  const owed = owedIn(map, line, own);
  const repeats = repeatsIn(map, own);
  const repeated = new Set(repeats.map(({ event }) => event));
  const strays = own.filter((event) => !line.includes(event) && !repeated.has(event));
  return {
    ended: owed.length === 0 && isAtAnEnd(map, line),
    line,
    owed,
    repeats: repeats.length > 0,
    incidents: line.filter((event) => map.isIncident(event)).length,
    faults: [
      ...repeats.map(({ fault }) => fault),
      ...strays.map(strayed),
      ...secondEndings(map, line),
      ...disagreements(map, line),
    ],
  };
}

function unbegun(own: readonly TracedEvent[]): SagaJudgement {
  const types = own.map(({ type }) => type).join(', ');
  const detail = `the log has ${types}, and not what began it`;
  const faults: SagaFault[] = own.length === 0 ? [] : [{ kind: 'missing_beginning', detail }];
  return { ended: false, line: [], owed: [], faults, repeats: false, incidents: 0 };
}

/** Where an event stands: how late, and how many causes lie between it and a root. */
interface Trace {
  readonly at: EpochMs;
  readonly steps: number;
}

interface Placed {
  readonly event: TracedEvent;
  readonly trace: Trace;
}

function byTrace(a: Placed, b: Placed): number {
  if (a.trace.at !== b.trace.at) return a.trace.at - b.trace.at;
  if (a.trace.steps !== b.trace.steps) return a.trace.steps - b.trace.steps;
  return a.event.identity < b.event.identity ? -1 : 1;
}

/** Follows every event back to what began it. */
class Traces {
  readonly #map: SagaMap;
  readonly #byIdentity: ReadonlyMap<string, TracedEvent>;
  readonly #beginning: TracedEvent | undefined;
  readonly #known = new Map<TracedEvent, Trace | undefined>();

  constructor(map: SagaMap, own: readonly TracedEvent[]) {
    this.#map = map;
    // Of two with one identity the first is meant.
    this.#byIdentity = new Map(own.toReversed().map((event) => [event.identity, event]));
    this.#beginning = own.find(({ type }) => type === map.definition.begins);
  }

  inOrder(): TracedEvent[] {
    return [...this.#byIdentity.values()]
      .flatMap((event) => {
        const trace = this.#trace(event);
        return trace === undefined ? [] : [{ event, trace }];
      })
      .sort(byTrace)
      .map(({ event }) => event);
  }

  #trace(event: TracedEvent): Trace | undefined {
    if (this.#known.has(event)) return this.#known.get(event);
    this.#known.set(event, undefined); // ends a circle of causations
    const trace = this.#traced(event);
    this.#known.set(event, trace);
    return trace;
  }

  #traced(event: TracedEvent): Trace | undefined {
    const beganAt = this.#beginning?.at ?? 0;
    if (event === this.#beginning || this.#map.isIntervention(event))
      return { at: Math.max(event.at, beganAt), steps: 0 };
    const cause = this.#byIdentity.get(event.causation);
    if (cause === undefined) return undefined;
    if (!this.#map.isIncident(event) && this.#map.between(cause, event.type) === undefined) return undefined;
    const trace = this.#trace(cause);
    return trace && { at: Math.max(event.at, trace.at), steps: trace.steps + 1 };
  }
}

/** An ending, and no standing after it but one that gives an ending's status: what it came to last is where it stays. */
function isAtAnEnd({ definition: { endings, standings } }: SagaMap, line: readonly TracedEvent[]): boolean {
  const statuses = { ...standings, ...endings };
  const last = line
    .filter(({ type }) => type in statuses)
    .toSorted((a, b) => a.position - b.position)
    .at(-1);
  const isEnded = line.some(({ type }) => type in endings);
  return isEnded && last !== undefined && Object.values(endings).includes(statuses[last.type] ?? '');
}

/** Events of the line that no stage answered although one of ours must. */
function owedIn(map: SagaMap, line: readonly TracedEvent[], own: readonly TracedEvent[]): OwedAnswer[] {
  return line.flatMap((event) => {
    const stages = map.owedAfter(event).filter((stage) => !hasLapsed({ map, stage, event }, line));
    if (stages.length === 0) return [];
    const isAnswered = own.some(
      (other) => other.causation === event.identity && map.between(event, other.type) !== undefined,
    );
    return isAnswered ? [] : [{ event, stages }];
  });
}

/** What it would say has been said before, or does not matter any more. */
function hasLapsed(
  { map, stage, event }: { readonly map: SagaMap; readonly stage: Stage; readonly event: TracedEvent },
  line: readonly TracedEvent[],
): boolean {
  if (stage.lapsesAfter?.includes(event.type) !== true) return false;
  const said = [stage.success, ...stage.failures];
  return line.some((other) => map.isEnding(other) || said.includes(other.type));
}

interface Repeat {
  readonly event: TracedEvent;
  readonly fault: SagaFault;
}

/** Events that say what another one of the same cause has said, or the opposite; beginnings after the first. */
function repeatsIn(map: SagaMap, own: readonly TracedEvent[]): Repeat[] {
  const { begins } = map.definition;
  return own.flatMap((event, index): Repeat[] => {
    if (map.isIncident(event)) return [];
    const earlier = own.slice(0, index);
    const again = earlier.find((other) => other.type === event.type && isRepeat(map, own, { event, other }));
    const begun = event.type === begins && earlier.some(({ type }) => type === begins);
    if (again !== undefined || begun) {
      return [
        {
          event,
          fault: { kind: 'repeated_event', detail: `${event.type} is there again at ${event.identity}` },
        },
      ];
    }
    const outcome = earlier.find(
      (other) => other.type !== event.type && isRepeat(map, own, { event, other }),
    );
    if (outcome === undefined) return [];
    const detail = `${event.type} at ${event.identity} answers what ${outcome.type} at ${outcome.identity} has answered`;
    return [{ event, fault: { kind: 'second_outcome', detail } }];
  });
}

function isRepeat(
  map: SagaMap,
  own: readonly TracedEvent[],
  { event, other }: { readonly event: TracedEvent; readonly other: TracedEvent },
): boolean {
  if (event.causation !== other.causation) return false;
  const cause = own.find(({ identity }) => identity === event.causation);
  const stage = cause && map.between(cause, event.type);
  const reports = stage?.reports ?? [];
  // A stage may report on several attempts, on each once.
  if (event.type === other.type)
    return !reports.includes(event.type) || attemptOf(event) === attemptOf(other);
  if (cause === undefined || stage === undefined || map.isIncident(other)) return false;
  return (
    map.between(cause, other.type) === stage && !reports.includes(event.type) && !reports.includes(other.type)
  );
}

function attemptOf({ data }: TracedEvent): string | null {
  return textOf(data?.['attempt_id']);
}

function strayed({ type, identity }: TracedEvent): SagaFault {
  return { kind: 'event_out_of_line', detail: `${type} at ${identity} follows from nothing before it` };
}

/** One service ends a saga that had begun well, in one partition of its log: the order there is what counts. */
function secondEndings(map: SagaMap, line: readonly TracedEvent[]): SagaFault[] {
  const endings = line.filter((event) => map.isEnding(event));
  const [first, ...others] = endings.toSorted((a, b) => a.position - b.position);
  return others.flatMap(({ type, identity }, index): SagaFault[] => {
    if (index === 0 && map.definition.corrections[type] === first?.type) return [];
    return [{ kind: 'second_ending', detail: `${type} at ${identity}, after ${first?.type} had ended it` }];
  });
}

/** Of incidents only that they can be read: a provider that errs may err about the amount. */
function disagreements(map: SagaMap, line: readonly TracedEvent[]): SagaFault[] {
  const beginning = line.find(({ type }) => type === map.definition.begins);
  if (beginning === undefined) return [];
  const agreed = termsTold(beginning);
  return line.flatMap((event): SagaFault[] => {
    const { type, identity, tenant } = event;
    const terms = termsTold(event);
    if (terms === undefined) {
      return [{ kind: 'unreadable_event', detail: `the data of ${identity} is not what ${type} tells` }];
    }
    const agrees = map.isIncident(event) || terms === 'none' || disagreeing(terms, agreed).length === 0;
    if (agrees && tenant === beginning.tenant) return [];
    const detail = `${type} at ${identity} is about ${tenant}: ${textOfTerms(terms)}; the saga about ${beginning.tenant}: ${textOfTerms(agreed)}`;
    return [{ kind: 'mismatched_terms', detail }];
  });
}

function disagreeing(terms: ToldTerms, agreed: ToldTerms | 'none' | undefined): string[] {
  if (agreed === undefined || agreed === 'none') return [];
  return (Object.keys(terms) as (keyof ToldTerms)[]).filter(
    (member) =>
      terms[member] !== undefined && agreed[member] !== undefined && terms[member] !== agreed[member],
  );
}

function termsTold({ type, tenant, data }: TracedEvent): ToldTerms | 'none' | undefined {
  if (data === undefined) return undefined;
  if (type !== 'entry.posted') return toldTermsOf(data);
  const entry = entryOf(tenant, data);
  return entry && movedTermsOf(entry);
}

function textOfTerms(terms: ToldTerms | 'none' | undefined): string {
  if (terms === undefined || terms === 'none') return 'nothing';
  const { walletId, serviceId, amountMinor, currency } = terms;
  return `${walletId ?? 'it'} pays ${serviceId ?? 'it'} ${amountMinor} ${currency}`;
}
