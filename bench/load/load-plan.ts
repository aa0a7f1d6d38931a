/** What the bench asks of a load generator, and what it gets back; both cross between processes as JSON. */
import type { DurationSummary } from './histogram.ts';
import type { PaymentMethod } from './payment-request.ts';

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly apiKey: string;
  /**
   * A payment's; `card`: card transactions, of which `wallets` is the number of cards; `cash`: cash entries, and of books;
   * `entry`, `report`: a journal entry, a report of a wallet's days; `integration`: messages for a connector.
   */
  readonly method: PaymentMethod | 'card' | 'cash' | 'entry' | 'report' | 'integration';
  /** Of messages. */
  readonly connector?: string;
  readonly wallets: number;
  /** One service account receives everything in the hot scenario. */
  readonly services: number;
  readonly seed: number;
  readonly durationMs: number;
  /** Requests in flight at most. */
  readonly connections: number;
  /** Null: closed loop, every connection sends when its answer is there. */
  readonly ratePerSecond: number | null;
  /** Connections beside the others whose requests wait for the payment's final state (`Prefer: wait`). */
  readonly waitingConnections: number;
  /** Stop after so many requests even if the time is not over; null for no such bound. */
  readonly maxRequests: number | null;
  /**
   * Of a closed loop: payments accepted and not finished at most, by what the generator is told of the finished ones;
   * null for no such bound. Where what is accepted waits for somebody outside, answers alone hold no load back.
   */
  readonly maxUnfinished: number | null;
}

export interface LoadResult {
  /** From the first request to the end of the plan's time, or to the last request, if that was sent later; answers to what was in flight are awaited after that. */
  readonly elapsedMs: number;
  /** Durably accepted: answered 202, or 200 with the final state, or with the code of a card transaction; an entry 201, a report 200. */
  readonly accepted: number;
  /** Of these, answered within `elapsedMs`. */
  readonly acceptedInTime: number;
  /** Answered 429 or 503. */
  readonly refused: number;
  /** Any other answer, by status. */
  readonly unexpected: Readonly<Record<string, number>>;
  /** Cut, or never answered: what became of the request is unknown. */
  readonly dropped: number;
  /** From the intended send to the 202, waiting connections excepted. */
  readonly acceptance: DurationSummary;
  /** From the intended send to the final state, of the waiting connections' requests that saw it. */
  readonly completion: DurationSummary;
  /** Requests that waited for the final state and did not see it in time, or could not wait for those that did. */
  readonly incomplete: number;
  /** Final states seen, by status; of card transactions, codes. */
  readonly finalStates: Readonly<Record<string, number>>;
  /** Open loop: how late the latest request was sent, connections all being busy or the generator itself. */
  readonly sentLateMs: number;
  /** Open loop: requests that were so late, the connections being busy, that they were never sent. */
  readonly unsent: number;
  /** Some of the accepted payments, spread over the run. */
  readonly sampleIds: readonly string[];
  /** Of the generator's process while the load ran. */
  readonly cpuUs: number;
  readonly peakRssBytes: number;
}

export type GeneratorCommand =
  | { readonly plan: LoadPlan }
  | { readonly start: true }
  /** Payments of this run that have ended, all together. */
  | { readonly finished: number };
export type GeneratorReport =
  | { readonly ready: true }
  | { readonly result: LoadResult }
  | { readonly failure: string };
