/**
 * What steps find out about events before the transaction: the step's own answer, and those of the steps behind it, as far as
 * nobody has to be asked (step.ts, S4). Each step knows only the event that it acts on; what comes next is who acts on what it says.
 *
 * Y1: what is in the way of a later step (an expression that was stopped) is that step's own: the way ends before it.
 * Y2: where that happened the same step of the same connector is left to its group for a while: each try costs everybody. So is one
 *     that was too slow for its tenant's share: its own group works on it in turns (step-ways.ts).
 */
import { eventIdentity, type JsonObject, type LogEvent } from '#platform/log/event.ts';
import type { ConnectorDefinition } from '../connector.ts';
import { type Connectors, versionRef } from '../connectors.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';
import type { JobResult } from '../evaluation/job.ts';
import type { Said } from '../said.ts';
import { type AnyStep, failed, type StepEnd, type Through } from './step.ts';

/** What the steps say of one event, one after the other. */
export interface Way {
  readonly answers: readonly Answered[];
  /** Why there is no answer at all. */
  readonly held: Held | undefined;
}

/** What a tenant wrote was stopped (step-consumer.ts, S2), or its tenant has had its share of the time (S5). */
export type Held = { readonly kind: 'stopped'; readonly detail: string } | { readonly kind: 'later' };

export const LATER: Held = { kind: 'later' };

export interface Answered {
  readonly step: AnyStep;
  readonly end: StepEnd;
}

interface OpenWay {
  readonly identity: string;
  readonly tenant: string;
  readonly connector: string;
  readonly definition: ConnectorDefinition;
  readonly answers: Answered[];
  held: Held | undefined;
  /** Whose turn it is, and with what. */
  next: { readonly step: AnyStep; readonly data: Through & JsonObject } | undefined;
}

/** Y2 */
const LEFT_FOR_MS = 30_000;
const LEFT_MAX = 1000;
/** Remembered, of each half: more than any group lags behind where it keeps up. Those that are forgotten are found answered. */
const CARRIED_MAX = 50_000;

export class Carrier {
  readonly #connectors: Pick<Connectors, 'load'>;
  readonly #evaluator: Pick<Evaluator, 'run'>;
  readonly #steps: readonly AnyStep[];
  /** Until when, on the clock of `performance`. */
  readonly #left = new Map<string, number>();
  #carried = new Set<string>();
  #carriedBefore: ReadonlySet<string> = new Set();

  constructor(options: {
    readonly connectors: Pick<Connectors, 'load'>;
    readonly evaluator: Pick<Evaluator, 'run'>;
    /** Those that an event may be carried through. */
    readonly steps: readonly AnyStep[];
  }) {
    this.#connectors = options.connectors;
    this.#evaluator = options.evaluator;
    this.#steps = options.steps;
  }

  /** By identity; of events whose connector there is. `shareMs`: of each tenant, in each of the steps; default as long as it takes. */
  async prepare(
    step: AnyStep,
    events: readonly LogEvent[],
    { isAlone, shareMs }: { readonly isAlone: boolean; readonly shareMs?: number | undefined },
  ): Promise<ReadonlyMap<string, Way>> {
    const found = await this.#connectors.load(events.map(connectorOf));
    const ways = events.flatMap((event): OpenWay[] => {
      const connector = versionRef(connectorOf(event));
      const definition = found.get(connector)?.definition;
      if (definition === undefined) return [];
      const next = { step, data: event.data as Through & JsonObject };
      const identity = eventIdentity(event);
      const { tenant } = event;
      return [{ identity, tenant, connector, definition, answers: [], held: undefined, next }];
    });
    for (let open = ways; open.length > 0; open = open.filter(({ next }) => next !== undefined))
      // oxlint-disable-next-line no-await-in-loop -- each step is given what the one before it has made
      await this.#advance(open, { isShared: !isAlone || open !== ways, shareMs });
    return new Map(ways.map((way) => [way.identity, way]));
  }

  /** Whether another step's group has answered it already, in this process. */
  hasCarried(event: LogEvent): boolean {
    const identity = eventIdentity(event);
    return this.#carried.has(identity) || this.#carriedBefore.has(identity);
  }

  noteCarried(identities: readonly string[]): void {
    for (const identity of identities) this.#carried.add(identity);
    if (this.#carried.size < CARRIED_MAX) return;
    this.#carriedBefore = this.#carried;
    this.#carried = new Set();
  }

  async #advance(
    open: readonly OpenWay[],
    how: { readonly isShared: boolean; readonly shareMs: number | undefined },
  ): Promise<void> {
    const jobs = open.map(({ next, definition, tenant }) =>
      (next?.step.jobsOf(next.data, definition) ?? []).map((job) => ({ ...job, tenant })),
    );
    // Shared: only a step's own group counts how often an expression is stopped alone.
    const results = await this.#evaluator.run(jobs.flat(), how);
    let at = 0;
    for (const [index, way] of open.entries()) {
      const count = jobs[index]?.length ?? 0;
      this.#answer(way, results.slice(at, at + count));
      at += count;
    }
  }

  #answer(way: OpenWay, results: readonly JobResult[]): void {
    const { next, definition } = way;
    if (next === undefined) return;
    const { step, data } = next;
    way.next = undefined;
    const isOwn = way.answers.length === 0;
    const held = heldBy(results, { isOwn });
    if (held !== undefined) {
      if (isOwn) way.held = held;
      else this.#leave(way.connector, step); // Y1
      return;
    }
    const end = endOf(step, data, { definition, results });
    way.answers.push({ step, end });
    if ('call' in end) return;
    const following = this.#stepAfter(end);
    if (following !== undefined && !this.#isLeft(way.connector, following))
      way.next = { step: following, data: end.data as Through & JsonObject };
  }

  /** A step that chooses among its events is asked by its own group. */
  #stepAfter({ type, status }: Said): AnyStep | undefined {
    return this.#steps.find(({ after, concerns }) => after[type] === status && concerns === undefined);
  }

  #leave(connector: string, { name }: AnyStep): void {
    if (this.#left.size >= LEFT_MAX) this.#left.clear();
    this.#left.set(`${connector}/${name}`, performance.now() + LEFT_FOR_MS);
  }

  #isLeft(connector: string, { name }: AnyStep): boolean {
    return (this.#left.get(`${connector}/${name}`) ?? 0) > performance.now();
  }
}

/** What was shunned is an answer of the step's own group alone. */
function heldBy(results: readonly JobResult[], { isOwn }: { readonly isOwn: boolean }): Held | undefined {
  const stopped = results.find((result) => result.kind === 'overrun');
  if (stopped !== undefined)
    return isOwn && stopped.isShunned === true ? undefined : { kind: 'stopped', detail: stopped.detail };
  return results.some(({ kind }) => kind === 'later') ? LATER : undefined;
}

function endOf(
  step: AnyStep,
  data: Through & JsonObject,
  {
    definition,
    results,
  }: { readonly definition: ConnectorDefinition; readonly results: readonly JobResult[] },
): StepEnd {
  const fail = (code: string, detail: string): Said =>
    step.fail?.(data, { code, detail }) ?? failed(step.name, data, { code, detail });
  const shunned = results.find((result) => result.kind === 'overrun');
  if (shunned !== undefined) return fail('hub.expression_overrun', shunned.detail);
  const faulty = results.find((result) => result.kind === 'faulty');
  if (faulty !== undefined) return fail('hub.expression_failed', `${faulty.at} ${faulty.detail}`.trim());
  return step.decide(data, definition, results);
}

function connectorOf({ tenant, data }: LogEvent) {
  const { connector, connector_version: version } = data as Through & JsonObject;
  return { tenant, name: connector, version };
}
