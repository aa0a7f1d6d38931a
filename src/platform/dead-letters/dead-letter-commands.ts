/**
 * Requests about dead letters as a batch: each becomes orders to the owners of the partitions (redeliverer.ts) and a line of
 * the audit. Order of locks (R3): dead letters, ascending; then idempotency keys; then new orders.
 *
 * A1: a dead letter has one order at a time, and none once it is resolved. To skip or discard it takes the place of a replay
 *     that was not executed yet: what cannot be executed can be withdrawn.
 * A2: a set is frozen when it is asked for: the open dead letters that match then, and no others.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { isId, type RedeliveryId, type ReplayId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type Command, type CommandHandler, SANDBOX_ACTOR, type Verdict } from '../batch/command.ts';
import type { Answer } from '../idempotency/idempotency.ts';
import { eventIdentity, type JsonObject, type LogEvent } from '../log/event.ts';
import type { EventContracts } from '../log/event-contracts.ts';
import { readEventsAt } from '../log/events-at.ts';
import { readTimeline } from '../log/timeline.ts';
import type { Reader } from '../postgres/read-pool.ts';
import type { Transaction } from '../postgres/session.ts';
import {
  insertOrders,
  insertReplay,
  loadOpen,
  lockLetters,
  type NewOrder,
  type NewReplay,
  withdrawPending,
} from './command-store.ts';
import { type DeadLetter, type OrderAction, pendingOrderOf, renderDeadLetter } from './dead-letter.ts';
import type { DeadLetterOrder, GiveUpOrder, ReplayOrder, SetOrder } from './dead-letter-orders.ts';
import { objectionTo } from './edit-data.ts';
import { renderReplay, type SetAction } from './replay.ts';

/** An event to be edited, and what else is known of its subject. Both are in the logs and never change. */
interface Edited {
  readonly original: LogEvent;
  readonly timeline: readonly LogEvent[];
}

interface Loaded {
  /** By uuid. */
  readonly letters: ReadonlyMap<string, DeadLetter>;
  /** By the uuid of the dead letter. */
  readonly edited: ReadonlyMap<string, Edited>;
  /** By the command's id: what its filter finds open. */
  readonly sets: ReadonlyMap<string, readonly DeadLetter[]>;
  /** Uuids of those that an earlier command of the batch has given an order about. */
  readonly ordered: Set<string>;
}

interface Effect {
  readonly orders: readonly NewOrder[];
  readonly replay?: NewReplay;
}

const SET_ACTIONS = {
  'dead_letters.replay_set': 'replay',
  'dead_letters.discard_set': 'discard',
} as const satisfies Record<SetOrder['operation'], SetAction>;

const ACTIONS: Readonly<Record<(ReplayOrder | GiveUpOrder)['operation'], OrderAction>> = {
  'dead_letters.replay': 'replay',
  'dead_letters.skip': 'skip',
  'dead_letters.discard': 'discard',
};

export interface DeadLetterCommandsOptions {
  readonly renderProblem: (problem: Problem) => Answer;
  /** Reads what never changes, beside the transaction. */
  readonly reader: Reader;
  readonly topics: readonly string[];
  readonly contracts: EventContracts;
}

export class DeadLetterCommands implements CommandHandler<DeadLetterOrder, Loaded, Effect> {
  readonly #options: DeadLetterCommandsOptions;

  constructor(options: DeadLetterCommandsOptions) {
    this.#options = options;
  }

  async load(tx: Transaction, commands: readonly Command<DeadLetterOrder>[]): Promise<Loaded> {
    const wanted = commands.flatMap(({ tenant, body }) =>
      namedIn(body).map((id) => ({ tenant, uuid: uuidOf(id) })),
    );
    const letters = await lockLetters(tx, wanted);
    const [edited, sets] = await Promise.all([
      this.#loadEdited(tx, commands, letters),
      loadSets(tx, commands),
    ]);
    return { letters, edited, sets, ordered: new Set() };
  }

  decide(loaded: Loaded, command: Command<DeadLetterOrder>, now: EpochMs): Verdict<Effect> {
    const { body } = command;
    if (isAboutSet(body)) return orderAboutSet(loaded, { ...command, body }, now);
    const decided = this.#decideSingle(loaded, { ...command, body });
    if (!decided.ok)
      return { answer: this.#options.renderProblem(decided.problem), effect: undefined, drafts: [] };
    const order = decided.value;
    loaded.ordered.add(order.letter.id);
    const pending = { action: order.action, requestedBy: order.actor, requestedAt: now };
    const answer = { status: 202, body: JSON.stringify(renderDeadLetter(order.letter, pending)) };
    return { answer, effect: { orders: [order] }, drafts: [] };
  }

  save(tx: Transaction, effects: readonly Effect[], _loaded: Loaded, now: EpochMs): void {
    for (const { replay } of effects) if (replay !== undefined) insertReplay(tx, replay, now);
    const orders = effects.flatMap((effect) => effect.orders);
    withdrawPending(tx, orders, now);
    insertOrders(tx, orders, now);
  }

  #decideSingle(loaded: Loaded, command: Command<ReplayOrder | GiveUpOrder>): Decision<NewOrder> {
    const { body, tenant, id } = command;
    const found = findLetter(loaded, tenant, body.dead_letter_id, ACTIONS[body.operation]);
    if (!found.ok) return found;
    const letter = found.value;
    const data = body.operation === 'dead_letters.replay' ? body.data : undefined;
    const edited = loaded.edited.get(letter.id);
    // What was given up has been looked at before (given-up-edit.ts).
    const isOfEvent = data !== undefined && letter.work === null;
    const objection = isOfEvent ? this.#objectionTo(data, letter, edited) : undefined;
    if (objection !== undefined) return refused(objection);
    return accepted({
      id: uuidOf(id as RedeliveryId),
      action: ACTIONS[body.operation],
      letter,
      replay: null,
      editedData: data === undefined ? null : JSON.stringify(data),
      originalData: data === undefined || edited === undefined ? null : JSON.stringify(edited.original.data),
      reason: body.reason ?? null,
      actor: command.actor ?? SANDBOX_ACTOR,
    });
  }

  #objectionTo(data: JsonObject, letter: DeadLetter, edited: Edited | undefined): Problem | undefined {
    if (edited === undefined) return nothingToCompare(letter);
    const { original } = edited;
    const { contracts } = this.#options;
    const faults = contracts.faultsOf(original, data, '/data');
    const originalFaults = contracts.faultsOf(original, original.data, '/data');
    return objectionTo({ ...edited, data, faults, originalFaults });
  }

  /** Edits are made by hand, one at a time: each reads its subject's events for itself. */
  async #loadEdited(
    tx: Transaction,
    commands: readonly Command<DeadLetterOrder>[],
    letters: ReadonlyMap<string, DeadLetter>,
  ): Promise<ReadonlyMap<string, Edited>> {
    const asked = commands.flatMap(({ body }) =>
      body.operation === 'dead_letters.replay' && body.data !== undefined ? namedIn(body) : [],
    );
    const loaded = await Promise.all(
      [...new Set(asked)].map(async (id): Promise<[string, Edited][]> => {
        const letter = letters.get(uuidOf(id));
        if (letter === undefined || letter.work !== null) return [];
        const edited = await this.#readEdited(tx, letter);
        return edited === undefined ? [] : [[letter.id, edited]];
      }),
    );
    return new Map(loaded.flat());
  }

  /** Undefined if the log lacks the event, or nobody can read it or what else is told of its subject any more. */
  async #readEdited(
    tx: Transaction,
    { tenant, subject, topic, partition, position }: DeadLetter,
  ): Promise<Edited | undefined> {
    const { reader, topics } = this.#options;
    try {
      const [original] = await readEventsAt(tx, partition, [{ topic, position: Number(position) }]);
      return original && { original, timeline: await readTimeline(reader, topics, { tenant, subject }) };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

function nothingToCompare({ topic, partition, position }: DeadLetter): Problem {
  const event = eventIdentity({ topic, partition, position: Number(position) });
  const detail = `${event} is not in its log any more, or cannot be read: nothing says what the edited data must keep.`;
  return problem('dead_letters.event_missing', detail);
}

function isAboutSet(body: DeadLetterOrder): body is SetOrder {
  return body.operation in SET_ACTIONS;
}

function namedIn(body: DeadLetterOrder) {
  const named = isAboutSet(body) ? (body.ids ?? []) : [body.dead_letter_id];
  return [...new Set(named)].filter((id) => isId('dlt', id));
}

/** Sets are asked for by hand, one at a time. */
async function loadSets(
  tx: Transaction,
  commands: readonly Command<DeadLetterOrder>[],
): Promise<ReadonlyMap<string, readonly DeadLetter[]>> {
  const sets = await Promise.all(
    commands.map(async ({ id, tenant, body }): Promise<[string, DeadLetter[]][]> => {
      if (!isAboutSet(body) || body.ids !== undefined) return [];
      return [[id, await loadOpen(tx, tenant, body)]];
    }),
  );
  return new Map(sets.flat());
}

/** A1 */
function findLetter(
  { letters, ordered }: Loaded,
  tenant: string,
  id: string,
  action: OrderAction = 'replay',
): Decision<DeadLetter> {
  const letter = isId('dlt', id) ? letters.get(uuidOf(id)) : undefined;
  if (letter?.tenant !== tenant)
    return refused(problem('dead_letters.not_found', `There is no dead letter ${id}.`));
  if (letter.state !== 'open')
    return refused(problem('dead_letters.resolved', `The dead letter ${id} was ${letter.state}.`));
  const pending = pendingOrderOf(letter);
  const isReplaced = pending?.action === 'replay' && action !== 'replay';
  if ((pending !== undefined && !isReplaced) || ordered.has(letter.id))
    return refused(problem('dead_letters.order_pending', `An order about ${id} has still to be executed.`));
  return accepted(letter);
}

/** A2. Ids that are not open any more, or not the tenant's, are not in the set: `total` tells. */
function orderAboutSet(loaded: Loaded, command: Command<SetOrder>, now: EpochMs): Verdict<Effect> {
  const { body, tenant } = command;
  const action = SET_ACTIONS[body.operation];
  const id = uuidOf(command.id as ReplayId);
  const actor = command.actor ?? SANDBOX_ACTOR;
  const reason = body.reason ?? null;
  const members = membersOf(loaded, command);
  for (const letter of members) loaded.ordered.add(letter.id);
  const orders = members.map(
    (letter): NewOrder => ({
      id: derivedUuid(id, letter.id),
      action,
      letter,
      replay: id,
      editedData: null,
      originalData: null,
      reason,
      actor,
    }),
  );
  const replay = { id, tenant, action, filter: filterOf(body), total: orders.length, reason, actor };
  const total = orders.length;
  const progress = { id, action, total, done: 0, failed: 0, requestedBy: actor, requestedAt: now };
  return {
    answer: { status: 202, body: JSON.stringify(renderReplay(progress)) },
    effect: { orders, replay },
    drafts: [],
  };
}

function membersOf(loaded: Loaded, { id, tenant, body }: Command<SetOrder>): readonly DeadLetter[] {
  if (body.ids === undefined)
    return (loaded.sets.get(id) ?? []).filter((letter) => !loaded.ordered.has(letter.id));
  return [...new Set(body.ids)].flatMap((named) => {
    const found = findLetter(loaded, tenant, named);
    return found.ok && matches(found.value, body) ? [found.value] : [];
  });
}

function matches(letter: DeadLetter, { group, type, error_code, subject, target }: SetOrder): boolean {
  return (
    (group ?? letter.consumer_group) === letter.consumer_group &&
    (type ?? letter.type) === letter.type &&
    (error_code ?? letter.error_code) === letter.error_code &&
    (subject ?? letter.subject) === letter.subject &&
    (target ?? letter.target) === letter.target
  );
}

function filterOf({ operation: _operation, reason: _reason, ...filter }: SetOrder): string {
  return JSON.stringify(filter satisfies Omit<SetOrder, 'operation' | 'reason'>);
}
