/**
 * What callers ask of the hub, as a batch: connectors put, messages sent, integrations replayed and undone. The gateway only
 * says who asks and makes an event of it (H2); everything else is a step's.
 *
 * Order of locks (R3): dead letters about them, then integrations, ascending; then idempotency keys and own rows.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Decision } from '#kernel/decision.ts';
import { assertNever } from '#kernel/fault.ts';
import { type IntegrationId, idOf, isId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type Command, type CommandHandler, SANDBOX_ACTOR, type Verdict } from '#platform/batch/command.ts';
import {
  lockOpenWork,
  type OpenWork,
  type ResolvedWork,
  resolveWork,
} from '#platform/dead-letters/given-up.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { begin, undoRequest } from './begin.ts';
import { endCalls } from './calls/call-store.ts';
import { connectorRef, renderConnector } from './connector.ts';
import { type Ended, endStanding, replayedBy } from './end-standing.ts';
import { decideHooks, type IncomingHook, nameOf, nothingReceives, renderTaken } from './hooks/hook-intake.ts';
import { findReceived, insertReceived, type ReceivedHook } from './hooks/hook-store.ts';
import type {
  Delivered,
  HubOrder,
  IntegrateOrder,
  PutConnectorOrder,
  ReplayOrder,
  UndoOrder,
} from './hub-orders.ts';
import { type Integration, integrationRef, mayBeReplayed, renderIntegration } from './integration.ts';
import { orderDifferences } from './order-differences.ts';
import { noteUndoings } from './overdue/undoing-store.ts';
import type { HubProblemCode } from './problems.ts';
import { connectorNotFound, integrationNotFound } from './refusals.ts';
import {
  type ConnectorVersion,
  type CurrentConnector,
  findCurrentConnectors,
  findLastEvents,
  insertConnectors,
  insertIntegrations,
  lockIntegrations,
  updateIntegrations,
} from './store.ts';

interface Batch {
  readonly connectors: Map<string, CurrentConnector>;
  readonly integrations: Map<string, Integration>;
  /** The open dead letters about what is replayed. An undo that has failed is none of it. */
  readonly letters: readonly OpenWork[];
  /** Of what is replayed, by `integrationRef`. */
  readonly lastEvents: ReadonlyMap<string, LogEvent>;
  /** Webhooks that were taken: `dedupRef` → integration. */
  readonly received: Map<string, string>;
}

type Effect =
  | { readonly kind: 'connector'; readonly version: ConnectorVersion }
  | {
      readonly kind: 'begun';
      readonly integration: Integration;
      readonly resolved: readonly ResolvedWork[];
      /** What it replays, if that stood still. */
      readonly ended: Integration | undefined;
    }
  | { readonly kind: 'changed'; readonly integration: Integration }
  | {
      readonly kind: 'received';
      readonly hooks: readonly ReceivedHook[];
      readonly integrations: readonly Integration[];
    };

export class HubCommands implements CommandHandler<HubOrder, Batch, Effect> {
  readonly differences = orderDifferences;
  readonly #renderProblem: (problem: Problem) => Answer;

  constructor(options: { renderProblem: (problem: Problem) => Answer }) {
    this.#renderProblem = options.renderProblem;
  }

  async load(tx: Transaction, commands: readonly Command<HubOrder>[]): Promise<Batch> {
    const refs = commands.flatMap(({ tenant, body }) => {
      if ('connector' in body) return { tenant, name: body.connector };
      return body.operation === 'connectors.put' ? { tenant, name: body.name } : [];
    });
    const asked = commands.flatMap(({ tenant, body }) =>
      'integration_id' in body && isId('int', body.integration_id)
        ? { tenant, uuid: uuidOf(body.integration_id) }
        : [],
    );
    const replayed = commands.flatMap(({ tenant, body }) =>
      body.operation === 'integrations.replay' && isId('int', body.integration_id)
        ? { tenant, work: body.integration_id }
        : [],
    );
    const hooks = commands.flatMap((command) => hookOf(command) ?? []);
    const letters = await lockOpenWork(tx, replayed);
    const again = replayed.map(({ tenant, work }) => ({ tenant, uuid: uuidOf(work) }));
    const [connectors, integrations, lastEvents, received] = await Promise.all([
      findCurrentConnectors(tx, refs),
      lockIntegrations(tx, asked),
      findLastEvents(tx, again),
      findReceived(tx, hooks.map(nameOf)),
    ]);
    const found = new Map(integrations.map((each) => [integrationRef(each), each]));
    return { connectors, integrations: found, letters, lastEvents, received };
  }

  decide(batch: Batch, command: Command<HubOrder>, now: EpochMs): Verdict<Effect> {
    const { body } = command;
    switch (body.operation) {
      case 'connectors.put':
        return this.#put(batch, { ...command, body });
      case 'integrations.create':
        return this.#create(batch, { ...command, body }, now);
      case 'integrations.replay':
        return this.#replay(batch, { ...command, body }, now);
      case 'integrations.undo':
        return this.#undo(batch, { ...command, body });
      case 'hooks.replay':
        return this.#replayHook(batch, command, now);
      default:
        return assertNever(body);
    }
  }

  save(tx: Transaction, effects: readonly Effect[], _batch: Batch, now: EpochMs): void {
    insertConnectors(
      tx,
      effects.flatMap((effect) => (effect.kind === 'connector' ? effect.version : [])),
      now,
    );
    insertReceived(
      tx,
      effects.flatMap((effect) => (effect.kind === 'received' ? effect.hooks : [])),
    );
    insertIntegrations(tx, effects.flatMap(newIntegrations), now);
    resolveWork(
      tx,
      effects.flatMap((effect) => (effect.kind === 'begun' ? effect.resolved : [])),
      now,
    );
    const ended = effects.flatMap((effect) => (effect.kind === 'begun' ? (effect.ended ?? []) : []));
    const changed = effects.flatMap((effect) => (effect.kind === 'changed' ? effect.integration : []));
    updateIntegrations(tx, [...ended, ...changed], now);
    endCalls(tx, ended);
    noteUndoings(tx, changed, now);
  }

  #put({ connectors }: Batch, { tenant, body, actor }: Command<PutConnectorOrder>): Verdict<Effect> {
    const { name, definition } = body;
    const ref = connectorRef({ tenant, name });
    const current = connectors.get(ref)?.version ?? 0;
    if (body.version === null && current > 0)
      return this.#refusal('hub.version_required', `There is a connector ${name}, of version ${current}.`);
    if (body.version !== null && body.version !== current)
      return this.#refusal('hub.version_changed', `The connector ${name} has version ${current}.`);
    const next = { tenant, name, version: current + 1, entry: definition.entry.type };
    connectors.set(ref, next);
    const version = { ...next, definition: JSON.stringify(definition), actor: actor ?? null };
    return {
      answer: {
        status: current === 0 ? 201 : 200,
        body: JSON.stringify(renderConnector({ ...next, definition })),
      },
      effect: { kind: 'connector', version },
      drafts: [],
    };
  }

  #create({ connectors }: Batch, command: Command<IntegrateOrder>, now: EpochMs): Verdict<Effect> {
    const { tenant, body } = command;
    const connector = connectors.get(connectorRef({ tenant, name: body.connector }));
    if (connector === undefined) return this.#refused(connectorNotFound(body.connector));
    if (connector.entry !== body.entry)
      return this.#refusal('hub.not_for_requests', `The connector ${body.connector} takes webhooks.`);
    return begun(
      command,
      { connector, message: body.message, replayed: undefined, letters: [], ended: undefined },
      now,
    );
  }

  #replay(
    { connectors, integrations, letters, lastEvents }: Batch,
    command: Command<ReplayOrder>,
    now: EpochMs,
  ): Verdict<Effect> {
    const { tenant, body } = command;
    const ref = refOf(tenant, body.integration_id);
    const replayed = integrations.get(ref);
    if (replayed === undefined) return this.#refused(integrationNotFound(body.integration_id));
    const connector = connectors.get(connectorRef({ tenant, name: replayed.connector }));
    if (connector === undefined) return this.#refused(connectorNotFound(replayed.connector));
    if (!mayBeReplayed(replayed, now))
      return this.#refusal('hub.not_replayable', `${body.integration_id} is ${replayed.status}.`);
    const own = letters.filter(
      (each) => each.tenant === tenant && each.work === body.integration_id && each.group !== 'hub.undo',
    );
    const ended = endStanding(replayed, lastEvents.get(ref), replayedBy(command.id));
    if (ended !== undefined) integrations.set(ref, ended.integration);
    return begun(command, { connector, message: body.message, replayed, letters: own, ended }, now);
  }

  #undo({ integrations }: Batch, command: Command<UndoOrder>): Verdict<Effect> {
    const { tenant, body, actor } = command;
    const ref = refOf(tenant, body.integration_id);
    const found = integrations.get(ref);
    if (found === undefined) return this.#refused(integrationNotFound(body.integration_id));
    const told = command.found as Decision<Delivered>;
    if (!told.ok) return this.#refused(told.problem);
    if (found.status !== 'delivered')
      return this.#refusal('hub.not_undoable', `${body.integration_id} is ${found.status}.`);
    const undoing: Integration = { ...found, status: 'undoing' };
    integrations.set(ref, undoing);
    return {
      answer: { status: 202, body: JSON.stringify(renderIntegration(undoing)) },
      effect: { kind: 'changed', integration: undoing },
      drafts: [undoRequest(command, found, { ...told.value, reason: body.reason, actor: actor ?? null })],
    };
  }

  /** What is authentic by now enters as if it had just come: taken once, whatever was replayed how often. */
  #replayHook({ received }: Batch, { found }: Command, now: EpochMs): Verdict<Effect> {
    const hook = found as Decision<IncomingHook>;
    if (!hook.ok) return this.#refused(hook.problem);
    const { outcomes, drafts, received: hooks, integrations } = decideHooks([hook.value], received, now);
    const [taken] = outcomes;
    if (taken === undefined || taken.kind === 'stored') return this.#refused(nothingReceives());
    return {
      answer: { status: 200, body: JSON.stringify(renderTaken(taken, hook.value.correlationId)) },
      effect: { kind: 'received', hooks, integrations },
      drafts,
    };
  }

  #refusal(code: HubProblemCode, detail: string): Verdict<Effect> {
    return this.#refused(problem(code, detail));
  }

  #refused(reason: Problem): Verdict<Effect> {
    return { answer: this.#renderProblem(reason), effect: undefined, drafts: [] };
  }
}

function begun(
  command: Command,
  what: {
    readonly connector: CurrentConnector;
    readonly message: string;
    readonly replayed: Integration | undefined;
    readonly letters: readonly OpenWork[];
    readonly ended: Ended | undefined;
  },
  now: EpochMs,
): Verdict<Effect> {
  const { integration, draft } = begin({ ...command, uuid: uuidOf(command.id as IntegrationId) }, what, now);
  const replayedAs = idOf('int', integration.uuid);
  const resolved = what.letters.map(({ id }) => ({ id, actor: command.actor ?? SANDBOX_ACTOR, replayedAs }));
  return {
    answer: { status: 202, body: JSON.stringify(renderIntegration(integration)) },
    effect: { kind: 'begun', integration, resolved, ended: what.ended?.integration },
    drafts: what.ended === undefined ? [draft] : [what.ended.draft, draft],
  };
}

/** Of what is no id there is nothing. */
function refOf(tenant: string, id: string): string {
  return isId('int', id) ? integrationRef({ tenant, uuid: uuidOf(id) }) : '';
}

function hookOf({ body, found }: Command<HubOrder>): IncomingHook | undefined {
  if (body.operation !== 'hooks.replay') return undefined;
  const hook = found as Decision<IncomingHook>;
  return hook.ok ? hook.value : undefined;
}

function newIntegrations(effect: Effect): readonly Integration[] {
  if (effect.kind === 'begun') return [effect.integration];
  return effect.kind === 'received' ? effect.integrations : [];
}
