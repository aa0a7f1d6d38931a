/** What becomes known about an attempt: the answer to a call, a callback, or that there is no answer. */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import type { Operation } from './attempt.ts';

/** What a provider says of a charge or refund. It holds whenever it arrives, and whatever was asked. */
export type Statement =
  | { readonly kind: 'approved'; readonly reference: string | null }
  | { readonly kind: 'declined'; readonly code: string; readonly detail: string }
  /** Not charged, and no charge under this key will ever be made. */
  | { readonly kind: 'voided' }
  | { readonly kind: 'pending'; readonly reference: string | null }
  | { readonly kind: 'refunded'; readonly reference: string | null }
  /** A refund that the provider has given up. */
  | { readonly kind: 'failed'; readonly code: string; readonly detail: string };

/** How a call ended that brought no statement. It says something only while the call is still the attempt's last one. */
export type CallEnd =
  /** The provider knows nothing by this key. Not the same as "not charged": a request may still be on its way. */
  | { readonly kind: 'not_found'; readonly askedAt: EpochMs }
  /** It never left: the connection was refused. */
  | { readonly kind: 'not_sent'; readonly detail: string }
  /** It never left: the provider has stopped answering, and is not called until it does. */
  | { readonly kind: 'not_called'; readonly detail: string }
  /** It never left: the time for the charge is over. */
  | { readonly kind: 'too_late'; readonly detail: string }
  /** It never left: the provider is given as many charges as it may have. */
  | { readonly kind: 'busy'; readonly detail: string }
  /** It was held back by ourselves; nothing is wrong with the provider. */
  | { readonly kind: 'held_back'; readonly detail: string }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number }
  /** The provider failed, having done it or not. */
  | { readonly kind: 'error'; readonly detail: string }
  /** The provider refuses the request as it is. */
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string }
  /** No answer in time, none that can be read, or a connection lost after sending. */
  | { readonly kind: 'unclear'; readonly detail: string }
  /** Whoever was sending it has not reported. */
  | { readonly kind: 'lapsed' };

export type CallResult = Statement | CallEnd;

export interface CallReport {
  readonly from: 'call';
  readonly operation: Operation;
  /** The attempt's `calls` when the call began … */
  readonly begunAs: number;
  /** … and at the last claim of it while it was under way: the same question, asked once. */
  readonly call: number;
  readonly result: CallResult;
}

export type Report = CallReport | { readonly from: 'callback'; readonly result: Statement };

/** Whether the provider has said so, by whichever way. */
export function isStatement(result: CallResult): result is Statement {
  switch (result.kind) {
    case 'approved':
    case 'declined':
    case 'voided':
    case 'pending':
    case 'refunded':
    case 'failed':
      return true;
    case 'not_found':
    case 'not_sent':
    case 'not_called':
    case 'too_late':
    case 'busy':
    case 'held_back':
    case 'throttled':
    case 'error':
    case 'rejected':
    case 'unclear':
    case 'lapsed':
      return false;
    default:
      return assertNever(result);
  }
}
