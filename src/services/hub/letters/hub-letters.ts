/** The hub's dead letters: what is shown of an integration that has failed, and how it is tried again. */
import type { EpochMs } from '#kernel/clock.ts';
import { type IntegrationId, idOf, newId, uuidOf } from '#kernel/ids.ts';
import { type FieldProblem, type Problem, problem } from '#kernel/problem.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { DeadLetter } from '#platform/dead-letters/dead-letter.ts';
import type { GivenUpEnd, GivenUpOrder, GivenUpReads, GivenUpWork } from '#platform/dead-letters/given-up.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';
import type { EventDraft, JsonObject, JsonValue, LogEvent } from '#platform/log/event.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { readEventsAt } from '#platform/log/events-at.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { begin, undoRequest } from '../begin.ts';
import { type CallStep, callRef } from '../calls/call.ts';
import { endCalls, findCalled } from '../calls/call-store.ts';
import { connectorRef } from '../connector.ts';
import type { Connectors } from '../connectors.ts';
import { DISCARDED, type Ended, endStanding, missingStep, replayedBy } from '../end-standing.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';
import type { IntegrationRequested } from '../events.ts';
import { type Integration, integrationRef, mayBeReplayed } from '../integration.ts';
import { tooLarge } from '../message-size.ts';
import { noteUndoings } from '../overdue/undoing-store.ts';
import type { HubReads } from '../reads.ts';
import { connectorNotFound } from '../refusals.ts';
import { toUndo } from '../steps/undo-step.ts';
import { validationStep } from '../steps/validation-step.ts';
import {
  findCurrentConnectors,
  findLastEvents,
  insertIntegrations,
  lockIntegrations,
  updateIntegrations,
} from '../store.ts';
import { dropUndo } from './letter-store.ts';

const UNDO = 'hub.undo';
const CALL_STEPS: readonly CallStep[] = ['enrichment', 'delivery', 'undo'];
/** Of an undo that somebody wants again without saying why. */
const REPLAYED = 'Its dead letter is replayed.';
export const LETTER_GROUPS: readonly string[] = [
  'hub.validation',
  'hub.rules',
  'hub.enrichment',
  'hub.delivery',
  UNDO,
];

export interface HubLettersOptions {
  readonly reads: HubReads;
  readonly connectors: Connectors;
  readonly evaluator: Pick<Evaluator, 'run'>;
}

export class HubLetterReads implements GivenUpReads {
  readonly groups = LETTER_GROUPS;
  protected readonly options: HubLettersOptions;

  constructor(options: HubLettersOptions) {
    this.options = options;
  }

  async describe({ tenant, work }: Pick<DeadLetter, 'tenant' | 'work'>): Promise<JsonObject | null> {
    const { reads } = this.options;
    const found = await reads.find(tenant, uuidOf(work as IntegrationId));
    if (found === undefined) return null;
    const message = messageIn(await reads.timeline(tenant, found.uuid));
    return { ...(await reads.describe(found)), message: message === undefined ? null : shown(message) };
  }

  /** It is held against the schema of the newest version, which it will go through. */
  async objectionTo(letter: DeadLetter, data: JsonObject): Promise<Problem | undefined> {
    if (letter.consumer_group === UNDO)
      return problem('dead_letters.not_editable', 'An undo takes back what was delivered.');
    const message = JSON.stringify(data);
    const { tenant, target } = letter;
    const name = target ?? '';
    const { connectors, evaluator } = this.options;
    const connector = await connectors.find({ tenant, name });
    if (connector === undefined) return connectorNotFound(name);
    const { definition, version } = connector;
    const asked = requestOf({ connector: name, connector_version: version, message });
    const jobs = validationStep.jobsOf(asked, definition).map((job) => ({ ...job, tenant }));
    const results = await evaluator.run(jobs);
    const unjudged = results.find(({ kind }) => kind !== 'valid' && kind !== 'invalid');
    if (unjudged !== undefined) return problem('dead_letters.invalid_data', 'Its schema could not judge it.');
    const end = validationStep.decide(asked, definition, results);
    if ('call' in end || end.failure === undefined) return tooLarge(message);
    const { errors = [] } = end.data as { readonly errors?: readonly FieldProblem[] };
    return problem('dead_letters.invalid_data', end.failure.detail, { errors: errors.map(withinData) });
  }
}

export class HubLetters extends HubLetterReads implements GivenUpWork {
  readonly #log: EventLog;

  constructor(options: HubLettersOptions & { readonly log: EventLog }) {
    super(options);
    this.#log = options.log;
  }

  async replay(tx: Transaction, order: GivenUpOrder): Promise<GivenUpEnd> {
    const { tenant, work, now } = order;
    const uuid = uuidOf(work as IntegrationId);
    const [found] = await lockIntegrations(tx, [{ tenant, uuid }]);
    if (found === undefined) return refused('hub.integration_not_found', `There is no integration ${work}.`);
    if (order.group === UNDO) return this.#undoAgain(tx, order, found);
    if (!mayBeReplayed(found, now)) return refused('hub.not_replayable', `${work} is ${found.status}.`);
    return this.#beginAgain(tx, order, found);
  }

  /** Through the newest version, under the same correlation id. */
  async #beginAgain(tx: Transaction, order: GivenUpOrder, found: Integration): Promise<GivenUpEnd> {
    const { tenant, now } = order;
    const ref = { tenant, name: found.connector };
    const [connectors, timeline] = await Promise.all([
      findCurrentConnectors(tx, [ref]),
      this.options.reads.timeline(tenant, found.uuid),
    ]);
    const connector = connectors.get(connectorRef(ref));
    const message = order.editedData ?? messageIn(timeline);
    if (connector === undefined || message === undefined)
      return refused('hub.not_replayable', `Nothing is known any more of what ${order.work} began with.`);
    const uuid = uuidOf(newId('int'));
    const by = { ...askedBy(order, found), uuid, tenant };
    const { integration, draft } = begin(by, { connector, message, replayed: found }, now);
    const replayedAs = idOf('int', uuid);
    const ended = endStanding(found, timeline.at(-1), replayedBy(replayedAs));
    insertIntegrations(tx, [integration], now);
    this.#end(tx, ended, now);
    return this.#ended(tx, order, {
      replayedAs,
      drafts: ended === undefined ? [draft] : [ended.draft, draft],
    });
  }

  /** What stands still is ended with its dead letter: the sweep would begin it again. */
  async giveUp(tx: Transaction, order: GivenUpOrder): Promise<(() => Promise<void>) | undefined> {
    const { tenant, work, event, now } = order;
    const ref = { tenant, uuid: uuidOf(work as IntegrationId) };
    const [[found], events, called] = await Promise.all([
      lockIntegrations(tx, [ref]),
      findLastEvents(tx, [ref]),
      findCalled(
        tx,
        CALL_STEPS.map((step) => ({ uuid: ref.uuid, step })),
      ),
    ]);
    const last = events.get(integrationRef(ref));
    if (found === undefined || last === undefined || !isAbout(event, last)) return undefined;
    const missing = missingStep(found.status);
    const isUnderWay = CALL_STEPS.some(
      (step) => step === missing && called.has(callRef({ uuid: ref.uuid, step })),
    );
    if (isUnderWay) return undefined;
    const ended = endStanding(found, last, DISCARDED);
    if (ended === undefined) return undefined;
    this.#end(tx, ended, now);
    return this.#send(tx, now, [ended.draft]);
  }

  #end(tx: Transaction, ended: Ended | undefined, now: EpochMs): void {
    if (ended === undefined) return;
    updateIntegrations(tx, [ended.integration], now);
    endCalls(tx, [ended.integration]);
  }

  /** As if somebody had asked for it anew: with a call of its own, whose tries begin at the first. */
  async #undoAgain(tx: Transaction, order: GivenUpOrder, found: Integration): Promise<GivenUpEnd> {
    const { partition, topic, position } = order.event;
    const [[event], called] = await Promise.all([
      readEventsAt(tx, partition, [{ topic, position }]),
      findCalled(tx, [{ uuid: found.uuid, step: 'undo' }]),
    ]);
    const undo = event && toUndo(event.data);
    const standsStill = found.status === 'undoing' && called.size === 0;
    if (undo === undefined || !(found.status === 'undo_failed' || standsStill))
      return refused('hub.not_undoable', `${order.work} is ${found.status}.`);
    const { reason, actor, now } = order;
    const undoing: Integration = { ...found, status: 'undoing' };
    dropUndo(tx, found.uuid);
    updateIntegrations(tx, [undoing], now);
    noteUndoings(tx, [undoing], now);
    const draft = undoRequest(askedBy(order, found), found, { ...undo, reason: reason ?? REPLAYED, actor });
    return this.#ended(tx, order, { replayedAs: order.work, drafts: [draft] });
  }

  #ended(
    tx: Transaction,
    { now }: GivenUpOrder,
    { replayedAs, drafts }: { replayedAs: string; drafts: readonly EventDraft[] },
  ): GivenUpEnd {
    return { replayedAs, committed: this.#send(tx, now, drafts) };
  }

  #send(tx: Transaction, now: EpochMs, drafts: readonly EventDraft[]): () => Promise<void> {
    const { partitions } = this.#log;
    const segments = sendDrafts(tx, { topic: 'hub', partitions, occurredAt: now, drafts });
    return async () => this.#log.publish((await segments) ?? []);
  }
}

/** Whether the dead letter's event is the last that was said. */
function isAbout({ partition, position }: GivenUpOrder['event'], last: LogEvent): boolean {
  return partition === last.partition && position === last.position;
}

function askedBy({ orderId }: GivenUpOrder, { correlationId }: Integration) {
  return { requestId: orderId, correlationId, traceparent: null };
}

function messageIn([first]: readonly LogEvent[]): string | undefined {
  return (first as LogEvent<IntegrationRequested> | undefined)?.data.message;
}

/** Of a webhook it is what came, which need not be JSON. */
function shown(message: string): JsonValue {
  const parsed = parseJsonBody(Buffer.from(message));
  return parsed.ok ? (parsed.value as JsonValue) : message;
}

/** What is validated of a message beside it does not matter. */
function requestOf(through: Pick<IntegrationRequested, 'connector' | 'connector_version' | 'message'>) {
  return { ...through, entry: 'api', replay_of: null, origin: '' } as const;
}

function withinData(fault: FieldProblem): FieldProblem {
  return { ...fault, pointer: `/data${fault.pointer}` };
}

function refused(code: string, text: string): GivenUpEnd {
  return { failure: { code, text } };
}
