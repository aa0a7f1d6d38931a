/**
 * What became of a saga, judged from its events and its definition by an implementation of its own: the integrity
 * service's verdicts are compared with it.
 *
 * A saga is sound if its events can be laid in one line: the beginning, then for each event the one that it caused and
 * that ends the stage then due; no event left over, all about the same terms. It has ended when nothing is due after
 * the last of the line.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { SagaDefinition, Stage } from '#sagas/saga.ts';
import { entryOf, termsOf } from './event-data.ts';

export interface TracedEvent {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  /** `payments/3/1041` */
  readonly identity: string;
  readonly type: string;
  readonly tenant: string;
  readonly at: EpochMs;
  readonly causation: string;
  /** Undefined: not JSON. */
  readonly data: JsonObject | undefined;
}

export interface SagaFault {
  readonly kind:
    | 'missing_beginning'
    | 'missing_stage'
    | 'repeated_event'
    | 'event_out_of_line'
    | 'mismatched_terms'
    | 'unreadable_event';
  readonly detail: string;
}

export interface SagaJudgement {
  readonly ended: boolean;
  /** The events in line, from the beginning. */
  readonly line: readonly TracedEvent[];
  /** Which stage is awaited; undefined if the saga has ended or never began. */
  readonly due: Stage | undefined;
  readonly faults: readonly SagaFault[];
  /** Some event is there twice: then the saga is broken before it has ended. */
  readonly repeats: boolean;
}

/** Which stage is due after each event, and which one each event ends: read off the definition once. */
export class SagaMap {
  readonly begins: string;
  readonly #dueAfter = new Map<string, Stage>();
  readonly #endsStage = new Map<string, Stage>();

  constructor(saga: SagaDefinition) {
    this.begins = saga.begins;
    for (const stage of saga.stages) {
      for (const type of stage.after) this.#dueAfter.set(type, stage);
      for (const type of [stage.success, ...stage.failures]) this.#endsStage.set(type, stage);
    }
  }

  dueAfter(type: string): Stage | undefined {
    return this.#dueAfter.get(type);
  }

  /** Whether the saga speaks of such events at all. */
  knows(type: string): boolean {
    return type === this.begins || this.#endsStage.has(type);
  }

  ends(type: string, stage: Stage): boolean {
    return this.#endsStage.get(type) === stage;
  }
}

/** `events` in no order, of one saga; types that the definition does not name are not looked at. */
export function judgeSaga(map: SagaMap, events: readonly TracedEvent[]): SagaJudgement {
  const own = events.filter((event) => map.knows(event.type));
  const beginning = own.find((event) => event.type === map.begins);
  const line = beginning === undefined ? [] : lineFrom(map, beginning, own);
  const last = line.at(-1);
  const due = last === undefined ? undefined : map.dueAfter(last.type);
  const repeated = own.filter((event, index) => own.findIndex(({ type }) => type === event.type) < index);
  return {
    ended: last !== undefined && due === undefined,
    line,
    due,
    repeats: repeated.length > 0,
    faults: [...missingBeginning(beginning, own), ...strays({ own, line, repeated }), ...disagreements(line)],
  };
}

function lineFrom(map: SagaMap, beginning: TracedEvent, own: readonly TracedEvent[]): TracedEvent[] {
  const line = [beginning];
  for (let current = beginning; ; ) {
    const due = map.dueAfter(current.type);
    const next =
      due === undefined
        ? undefined
        : own.find((event) => event.causation === current.identity && map.ends(event.type, due));
    if (next === undefined) return line;
    line.push(next);
    current = next;
  }
}

function missingBeginning(beginning: TracedEvent | undefined, own: readonly TracedEvent[]): SagaFault[] {
  if (beginning !== undefined || own.length === 0) return [];
  const types = own.map(({ type }) => type).join(', ');
  return [{ kind: 'missing_beginning', detail: `the log has ${types}, and not what began it` }];
}

function strays(events: {
  readonly own: readonly TracedEvent[];
  readonly line: readonly TracedEvent[];
  readonly repeated: readonly TracedEvent[];
}): SagaFault[] {
  const { own, line, repeated } = events;
  // Without a beginning no event can be in line, and that has been said.
  if (own.length === line.length || line.length === 0) return [];
  return own
    .filter((event) => !line.includes(event))
    .map((event): SagaFault => {
      if (repeated.includes(event)) {
        return { kind: 'repeated_event', detail: `${event.type} is there again at ${event.identity}` };
      }
      return {
        kind: 'event_out_of_line',
        detail: `${event.type} at ${event.identity} follows from nothing before it`,
      };
    });
}

function disagreements(line: readonly TracedEvent[]): SagaFault[] {
  const [beginning] = line;
  if (beginning === undefined) return [];
  const agreed = termsTextOf(beginning);
  const faults: SagaFault[] = [];
  for (const event of line) {
    const terms = termsTextOf(event);
    if (terms === UNREADABLE) {
      faults.push({
        kind: 'unreadable_event',
        detail: `the data of ${event.identity} is not what ${event.type} tells`,
      });
    } else if (event.tenant !== beginning.tenant || (terms !== undefined && terms !== agreed)) {
      const detail = `${event.type} at ${event.identity} is about ${event.tenant}: ${terms}; the saga about ${beginning.tenant}: ${agreed}`;
      faults.push({ kind: 'mismatched_terms', detail });
    }
  }
  return faults;
}

const UNREADABLE = 'unreadable';

/** Payer, payee, amount and currency; undefined for events that do not carry them. */
function termsTextOf({ type, tenant, data }: TracedEvent): string | undefined {
  if (data === undefined) return UNREADABLE;
  if (type === 'entry.posted') {
    const postings = entryOf(tenant, data)?.postings;
    const debit = postings?.find(({ amountMinor }) => amountMinor < 0);
    const credit = postings?.find(({ amountMinor }) => amountMinor > 0);
    if (postings?.length !== 2 || debit === undefined || credit === undefined) return UNREADABLE;
    if (debit.amountMinor !== -credit.amountMinor || debit.currency !== credit.currency) return UNREADABLE;
    return `${debit.accountId} pays ${credit.accountId} ${credit.amountMinor} ${credit.currency}`;
  }
  if (data['wallet_id'] === undefined) return undefined;
  const terms = termsOf(data);
  return terms === undefined
    ? UNREADABLE
    : `${terms.walletId} pays ${terms.serviceId} ${terms.amountMinor} ${terms.currency}`;
}
