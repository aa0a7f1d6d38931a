/**
 * Webhooks as they come in, taken in batches: the raw bytes are stored, and what they begin, in one commit (U18).
 *
 * K1: before anything is read of one but its signature, its bytes and headers are in the table, with the verdict.
 * K2: one of a sender is taken once: by the sender's own id; one without an id by its bytes, under whatever id these were taken
 *     before: whoever strips the id from what was overheard repeats nothing. A repeat changes nothing.
 */
import { createHash } from 'node:crypto';
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type AppliedBatch, GroupCommit, type GroupCommitOptions } from '#platform/batch/group-commit.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { begin } from '../begin.ts';
import type { Integration } from '../integration.ts';
import { type CurrentConnector, insertIntegrations } from '../store.ts';
import {
  dedupRef,
  findReceived,
  type HookName,
  type HookVerdict,
  insertReceived,
  type ReceivedHook,
} from './hook-store.ts';

export interface IncomingHook {
  readonly connector: CurrentConnector;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Its text; undefined if the bytes are none that can be stored as one. */
  readonly message: string | undefined;
  readonly verdict: HookVerdict;
  /** The sender's own id. */
  readonly id: string | undefined;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

export type HookTaken =
  | { readonly kind: 'taken'; readonly integration: string }
  | { readonly kind: 'repeated'; readonly integration: string }
  /** Stored, and nothing begun. */
  | { readonly kind: 'stored' };

export interface HookIntakeOptions
  extends Pick<
    GroupCommitOptions<IncomingHook, HookTaken>,
    'log' | 'session' | 'random' | 'batchMax' | 'observer'
  > {
  readonly clock: Clock;
}

/** As for requests. */
const PACE_MS = 30;

export type HookIntake = GroupCommit<IncomingHook, HookTaken>;

export function createHookIntake(options: HookIntakeOptions): HookIntake {
  return new GroupCommit({
    name: 'hub.hooks',
    ...options,
    paceMs: PACE_MS,
    delayMs: () => 0,
    apply: (tx, hooks) => takeHooks(tx, hooks, options),
  });
}

async function takeHooks(
  tx: Transaction,
  hooks: readonly IncomingHook[],
  { clock, log }: HookIntakeOptions,
): Promise<AppliedBatch<HookTaken>> {
  const known = await findReceived(tx, hooks.map(nameOf));
  const now = clock.now();
  const decided = decideHooks(hooks, known, now);
  insertReceived(tx, decided.received);
  insertIntegrations(tx, decided.integrations, now);
  const { drafts, outcomes } = decided;
  const segments = sendDrafts(tx, { topic: 'hub', partitions: log.partitions, occurredAt: now, drafts });
  return { outcomes, segments };
}

interface DecidedHooks {
  readonly outcomes: HookTaken[];
  readonly received: ReceivedHook[];
  readonly integrations: Integration[];
  readonly drafts: EventDraft[];
}

/** Of equal ones in a batch the first is taken. `known`: `dedupRef` → integration. */
export function decideHooks(
  hooks: readonly IncomingHook[],
  known: Map<string, string>,
  now: EpochMs,
): DecidedHooks {
  const decided: DecidedHooks = { outcomes: [], received: [], integrations: [], drafts: [] };
  for (const hook of hooks) {
    const name = nameOf(hook);
    const earlier = name.dedup === null ? undefined : known.get(dedupRef(name));
    if (earlier !== undefined) {
      decided.outcomes.push({ kind: 'repeated', integration: earlier }); // K2
      continue;
    }
    const begun = name.dedup === null ? undefined : beginningOf(hook, now);
    decided.received.push({
      tenant: hook.connector.tenant,
      uuid: uuidOf(newId('hok')),
      connector: hook.connector.name,
      headers: JSON.stringify(hook.headers),
      body: hook.body,
      verdict: hook.verdict,
      dedup: name.dedup,
      integration: begun?.integration.uuid ?? null,
      correlationId: hook.correlationId,
      receivedAt: now,
    });
    if (begun === undefined) {
      decided.outcomes.push({ kind: 'stored' });
      continue;
    }
    for (const dedup of [name.dedup, hashName(hashOf(hook.body))])
      known.set(dedupRef({ ...name, dedup }), begun.integration.uuid);
    decided.integrations.push(begun.integration);
    decided.drafts.push(begun.draft);
    decided.outcomes.push({ kind: 'taken', integration: begun.integration.uuid });
  }
  return decided;
}

function beginningOf({ connector, message, correlationId, traceparent }: IncomingHook, now: EpochMs) {
  if (message === undefined) return undefined;
  const uuid = uuidOf(newId('int'));
  const by = { tenant: connector.tenant, uuid, requestId: newId('req'), correlationId, traceparent };
  return begin(by, { connector, message, replayed: undefined }, now);
}

export function nameOf({ connector, verdict, id, body, message }: IncomingHook): HookName {
  const of = { tenant: connector.tenant, connector: connector.name };
  if (verdict !== 'valid' || message === undefined) return { ...of, dedup: null, hash: null };
  if (id !== undefined) return { ...of, dedup: `id ${id}`, hash: null };
  const hash = hashOf(body);
  return { ...of, dedup: hashName(hash), hash };
}

function hashOf(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest();
}

function hashName(hash: Buffer): string {
  return `hash ${hash.toString('hex')}`;
}

/** The answer to whoever has sent it. */
export function renderTaken(
  taken: Exclude<HookTaken, { readonly kind: 'stored' }>,
  correlationId: string,
): JsonObject {
  return {
    status: taken.kind === 'taken' ? 'accepted' : 'duplicate',
    integration_id: idOf('int', taken.integration),
    correlation_id: correlationId,
  };
}

export function nothingReceives(): Problem {
  return problem('hub.hook_not_found', 'Nothing receives webhooks here.');
}
