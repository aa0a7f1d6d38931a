/**
 * A person says what became of a refund whose provider has not: it is gone, or has no answer; or that one which the ledger has
 * refused to post is to be posted again. Pure. What the saga then does is what it would have done at the provider's own word;
 * that it was a person's, and whose, is in the event.
 */
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { LastEvent } from '#platform/log/own-effects.ts';
import { type Attempt, isOpen } from './attempt.ts';
import { type Attempts, chargedData } from './attempts.ts';
import { tellRefused } from './decide-refund.ts';

export interface RefundResolutionOrder {
  readonly operation: 'refunds.resolve';
  /** As it stands in the address; whether it is an id shows when it is looked up. */
  readonly refund_id: string;
  /** What a person found out at the provider. */
  readonly outcome: 'refunded' | 'not_refunded';
  readonly reason: string;
}

interface Said {
  readonly tenant: string;
  /** The id of the API key, or `sandbox`. */
  readonly actor: string;
  readonly order: RefundResolutionOrder;
  /** Where the coordinator stands; undefined if it has said nothing of the refund. */
  readonly standing: LastEvent | undefined;
}

type ResolutionProblem = Problem<'refunds.not_found' | 'refunds.not_in_reconciliation'>;

/** The attempt as it stands then: nobody is asked any more. A provider that says otherwise later is told of (D3). */
export function resolveRefund(
  attempts: Attempts,
  { tenant, actor, order, standing }: Said,
): Decision<Attempt, ResolutionProblem> {
  const { refund_id: id, outcome, reason } = order;
  const attempt = attempts.of(id).find((each) => each.purpose === 'refund' && each.tenant === tenant);
  if (attempt === undefined)
    return refused(problem('refunds.not_found', `No provider was asked for a refund ${id}.`));
  if (isParked(attempt, standing) && outcome === 'refunded')
    return accepted(postAgain(attempts, attempt, { cause: standing.identity, by: `${actor}: ${reason}` }));
  const obstacle = obstacleTo(attempt);
  if (obstacle !== undefined) return refused(problem('refunds.not_in_reconciliation', obstacle));
  const detail = `${attempt.provider} has ${outcome === 'refunded' ? '' : 'not '}given the money back, says ${actor}: ${reason}`;
  const isRefunded = outcome === 'refunded';
  const ended = attempts.change(attempt, { state: isRefunded ? 'refunded' : 'refused', dueAt: null });
  if (isRefunded) attempts.tell(ended, 'provider.refunded', { ...chargedData(ended), detail }, 2);
  else tellRefused(attempts, ended, detail);
  return accepted(ended);
}

/**
 * The coordinator waits for a person because of what the ledger said, and nobody has given the order yet: the attempt follows
 * from the event that the order answers, so that of two orders one is taken.
 */
function isParked(attempt: Attempt, standing: LastEvent | undefined): standing is LastEvent {
  return (
    attempt.state === 'refunded' &&
    standing?.type === 'refund.reconciliation_required' &&
    standing.causation.startsWith('ledger/') &&
    standing.identity !== attempt.cause
  );
}

/**
 * The provider's word, once more. Who reads no more than version 2 knows of no second one, and leaves it to another process.
 */
function postAgain(
  attempts: Attempts,
  attempt: Attempt,
  { cause, by }: { readonly cause: string; readonly by: string },
): Attempt {
  const followed = attempts.change(attempt, { cause });
  const detail = `${attempt.provider} has given the money back; it is to be posted again, says ${by}`;
  attempts.tell(followed, 'provider.refunded', { ...chargedData(followed), detail }, 3);
  return followed;
}

/** Until it is in doubt, its provider's word is waited for: nobody else knows what is on its way there. */
function obstacleTo(attempt: Attempt): string | undefined {
  const { subject, provider, state, toldUnresolved } = attempt;
  if (!isOpen(attempt)) return `Refund ${subject} is settled: at ${provider} it is ${state}.`;
  return toldUnresolved ? undefined : `Refund ${subject} is under way: ${provider} is being asked.`;
}
