/** What became of a request that was to leave, as its caller has to act on it. */
import { parseRetryAfter } from './retry-after.ts';

/** What came back. */
export interface EgressAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Its beginning, as many bytes as were asked for. */
  readonly body: Buffer;
  /** Whether there was more than that. */
  readonly isCut: boolean;
  /** Whether its end has not come: what there is of it may be less than was said. */
  readonly isBrokenOff: boolean;
}

interface Ended {
  /** For people. */
  readonly detail: string;
  /** From handing it over until it ended. */
  readonly latencyMs: number;
  readonly answer?: EgressAnswer;
}

export type EgressOutcome =
  /** 2xx. */
  | (Ended & { readonly kind: 'delivered'; readonly answer: EgressAnswer })
  /** It has not taken effect, and may if it is sent again: no connection, 408, 425, 429, 5xx. */
  | (Ended & { readonly kind: 'transient'; readonly retryAfterMs?: number })
  /** It would end the same again: another 4xx, a redirection (never followed), a target that is refused. */
  | (Ended & { readonly kind: 'permanent' })
  /** It has left, and nobody knows what became of it: no answer in time, or a connection lost. */
  | (Ended & { readonly kind: 'unknown' })
  /** It has not left, because the destination is not called now: its breaker is open, or it has as many as it may. */
  | (Ended & { readonly kind: 'not_called'; readonly retryAfterMs: number });

export const EGRESS_OUTCOMES = [
  'delivered',
  'transient',
  'permanent',
  'unknown',
  'not_called',
] as const satisfies readonly EgressOutcome['kind'][];

const TRANSIENT_STATUSES = new Set([408, 425, 429]);

export function outcomeOfAnswer(
  answer: EgressAnswer,
  at: { readonly now: number; latencyMs: number },
): EgressOutcome {
  const { status } = answer;
  const ended = { detail: `It was answered ${status}.`, latencyMs: at.latencyMs, answer };
  if (status >= 200 && status < 300) return { kind: 'delivered', ...ended };
  if (status < 500 && !TRANSIENT_STATUSES.has(status)) return { kind: 'permanent', ...ended };
  const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], at.now);
  return { kind: 'transient', ...ended, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
