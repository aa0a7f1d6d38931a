/**
 * What a service does with requests that change something: the same four steps as for events. The worker around it
 * (command-worker.ts) brings idempotency, the append and the commit, and answers only after it.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Answer } from '../idempotency/idempotency.ts';
import type { EventDraft } from '../log/event.ts';
import type { Transaction } from '../postgres/session.ts';

/** Who asks where no API key is named: the sandbox lets such requests in. */
export const SANDBOX_ACTOR = 'sandbox';

/** A request as it enters a batch: shape checked, caller known. */
export interface Command<Body = unknown> {
  readonly operation: string;
  readonly tenant: string;
  /** As the caller sent it; `undefined` where it is optional and absent. */
  readonly idempotencyKey: string | undefined;
  readonly body: Body;
  /** Of the resource it makes, if it makes one; given here because ids are inputs of a decision. */
  readonly id: string;
  /** Of the request: the causation of its events. */
  readonly requestId: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
  /**
   * Who asks: the id of an API key, or `sandbox`; absent where nobody asked over HTTP. No part of the body: the same
   * request by another key of the tenant is the same request.
   */
  readonly actor?: string;
  /** What was looked up for it before the batch: no part of the request that a key stands for. */
  readonly found?: unknown;
}

/** What was decided for one command. */
export interface Verdict<Effect> {
  readonly answer: Answer;
  /** Nothing for a refusal. */
  readonly effect: Effect | undefined;
  readonly drafts: readonly EventDraft[];
  /** What belongs into the log of another service, whose contract asks for it: a card opens accounts of the ledger. */
  readonly elsewhere?: readonly DraftElsewhere[];
}

export interface DraftElsewhere {
  readonly topic: string;
  readonly draft: EventDraft;
}

export interface CommandHandler<Body, Loaded, Effect> {
  /** Locks and loads what the commands touch; all sent before any is awaited (R2). */
  load(tx: Transaction, commands: readonly Command<Body>[]): Promise<Loaded>;
  /**
   * Pure. Decides one command and applies it to `loaded`, so that the next of the batch sees it done. Called in
   * the order of arrival, and only for commands that are not replays.
   */
  decide(loaded: Loaded, command: Command<Body>, now: EpochMs): Verdict<Effect>;
  /** Sends the writes, awaits none. */
  save(tx: Transaction, effects: readonly Effect[], loaded: Loaded, now: EpochMs): void;
  /** After the commit; must not throw. */
  committed?(loaded: Loaded): void;
  /**
   * Pointers to what differs between two bodies of one operation under one key, none if they are the same request (U1); for
   * bodies that are not to be compared member by member, as `differingPointers` does it.
   */
  readonly differences?: (before: Body, after: Body) => string[];
}
