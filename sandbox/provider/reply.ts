/** From what was decided to what is sent. The only file that knows status numbers beside problems.ts. */
import { assertNever } from './assert-never.ts';
import type { Conduct } from './conduct.ts';
import type { Decision } from './decision.ts';
import { type Document, renderDocument } from './documents.ts';
import { PROBLEMS, type Refusal, renderRefusal } from './problems.ts';

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is done when it has been sent. */
  readonly afterwards?: () => void;
}

const JSON_TYPE = 'application/json';
const GARBAGE: Reply = { status: 200, type: 'text/html', body: '<html>no JSON: {"status": "appro' };

export function jsonReply(status: number, value: unknown): Reply {
  return { status, type: JSON_TYPE, body: JSON.stringify(value) };
}

export function problemReply(refusal: Refusal, headers?: Reply['headers']): Reply {
  return {
    status: PROBLEMS[refusal.code].status,
    type: 'application/problem+json',
    body: JSON.stringify(renderRefusal(refusal)),
    ...(headers === undefined ? {} : { headers }),
  };
}

/** @param decision undefined where nothing was done. Undefined: nothing is ever sent */
export function answerFor(
  { answer, retryAfterS }: Conduct,
  decision: Decision | undefined,
): Reply | undefined {
  switch (answer) {
    case 'silence':
      return undefined;
    case 'garbage':
      return GARBAGE;
    case 'error':
      return problemReply({
        code: 'provider_error',
        detail: 'The provider failed: ask for the outcome by the key.',
      });
    case 'throttle':
      return problemReply(
        { code: 'throttled', detail: `Send the request again after ${retryAfterS} s.` },
        { 'Retry-After': String(retryAfterS) },
      );
    case 'gateway_timeout':
      return problemReply({
        code: 'provider_timeout',
        detail: 'The provider did not answer in time: ask for the outcome by the key.',
      });
    case 'document':
      return decision === undefined ? undefined : decisionReply(decision);
    default:
      return assertNever(answer);
  }
}

function decisionReply(decision: Decision): Reply {
  switch (decision.kind) {
    case 'made':
      return jsonReply(statusOfNew(decision.document), renderDocument(decision.document));
    case 'replayed':
      return {
        ...jsonReply(200, renderDocument(decision.document)),
        headers: { 'Idempotency-Replayed': 'true' },
      };
    case 'found':
    case 'charge_voided':
      return jsonReply(200, renderDocument(decision.document));
    case 'key_voided':
      return jsonReply(200, { key: decision.key, status: 'voided' });
    case 'refused':
      return problemReply(decision.refusal);
    default:
      return assertNever(decision);
  }
}

/** A refund that is not yet decided was only accepted. */
function statusOfNew({ kind, status }: Document): number {
  return kind === 'refund' && status === 'pending' ? 202 : 201;
}
