/** A call to the outside that a step needs: what it sends, how often it was tried, and when it is given up. */
import type { EpochMs } from '#kernel/clock.ts';
import type { IntegrationRef } from '../integration.ts';

export type CallStep = 'enrichment' | 'delivery' | 'undo';

/** What is sent, as it is stored: no secret is in it. */
export interface CallRequest {
  /** Of a delivery and an undo: the body. */
  readonly body?: string;
  /** The message that the step was given. */
  readonly message: string;
  readonly route: string;
  /** Of an enrichment: what is looked up, for each that asks by HTTP; null if its key is nothing. */
  readonly keys?: readonly (string | null)[];
}

/** One try, as people see it. */
export interface CallTry {
  readonly at: EpochMs;
  readonly outcome: string;
  readonly status: number | null;
  readonly latency_ms: number;
  readonly detail: string;
}

export interface Call extends IntegrationRef {
  readonly step: CallStep;
  readonly connector: string;
  readonly connectorVersion: number;
  /** Empty of look-ups. */
  readonly destination: string;
  readonly request: CallRequest;
  readonly state: 'waiting' | 'sending' | 'done';
  readonly tries: number;
  readonly isUnknown: boolean;
  readonly history: readonly CallTry[];
  readonly dueAt: EpochMs | null;
  readonly giveUpAt: EpochMs;
  /** Of one try, whatever it asks. */
  readonly timeoutMs: number;
  readonly cause: string;
  /** The uuid of the first integration of its replays: the name of the call at its destination. */
  readonly origin: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

export function callRef({ uuid, step }: Pick<Call, 'uuid' | 'step'>): string {
  return `${uuid}/${step}`;
}

/** The last tries; what came before says the same. */
export const HISTORY_MAX = 20;
export const ATTEMPTS_DEFAULT = 8;
export const GIVE_UP_DEFAULT_MS = 3_600_000;
export const TIMEOUT_DEFAULT_MS = 10_000;
/** How long a call may wait for its turn in this process before it is another's to take. */
export const TURN_MS = 5000;
/** Beside its turn and its timeout: the commit of what came of it. */
const COMMIT_MS = 5000;
/** What a call that a process has taken needs at most; then it is taken to be left behind. */
export const TAKEN_BESIDE_TIMEOUT_MS = TURN_MS + COMMIT_MS;

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 300_000;

/** Whole milliseconds. Exponential, with jitter over its upper half (U10); what the destination asks for is the least. */
export function retryDelayMs(tries: number, random: () => number, askedForMs = 0): number {
  const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, tries - 1));
  return Math.max(askedForMs, Math.round(longest / 2 + (random() * longest) / 2));
}
