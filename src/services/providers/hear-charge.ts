/** What a provider says of a charge, by an answer, an inquiry or a callback (D3). Pure. */
import { assertNever } from '#kernel/fault.ts';
import { type Attempt, findCharge, isOpen } from './attempt.ts';
import { type Attempts, attemptData, chargedData } from './attempts.ts';
import { askAgainAt, askLater, askOnceMore, close, giveBack, settle, tellCancelled } from './charge-ends.ts';
import { contradict } from './contradict.ts';
import type { Case, DecisionContext } from './decision-context.ts';
import { reasonOf } from './detail.ts';
import type { Statement } from './report.ts';
import { askingDelayMs } from './schedule.ts';

/** How it was heard. What a callback says may be overtaken by what the provider's book says: that an inquiry tells. */
export type HeardBy = 'answer' | 'inquiry' | 'callback';

export function hearCharge(told: Case, statement: Statement, by: HeardBy): void {
  switch (statement.kind) {
    case 'approved':
      return approve(told, statement.reference, by);
    case 'declined':
      return decline(told, statement, by);
    case 'voided':
      return hearVoided(told, by);
    case 'pending':
      return wait(told, statement.reference, by);
    // Of refunds; whoever reports has looked at the attempt's kind.
    case 'refunded':
    case 'failed':
      return;
    default:
      assertNever(statement);
  }
}

function approve(told: Case, reference: string | null, by: HeardBy): void {
  const { attempts, attempt } = told;
  const { state } = attempt;
  if (isOpen(attempt)) {
    const charged = settle(told, { state: 'approved', providerReference: reference });
    // D1 rules it out; if it were so all the same, the payment has been paid already.
    const other = findCharge(attempts.of(attempt.subject).filter(({ uuid }) => uuid !== attempt.uuid));
    if (other === undefined) attempts.tell(charged, 'provider.approved', chargedData(charged));
    else giveBack({ ...told, attempt: charged }, `Attempt ${other.number} had charged already.`);
  } else if (state === 'reversed') {
    // A person has said that the money is not there, and knew that the provider said so: who is right is not for us to say.
    contradict({ ...told, attempt: endRecheck(told, by) }, 'approved', {});
  } else if (state === 'resolved_charged') {
    settle(told, { state: 'approved', providerReference: reference });
  } else if (state === 'closed' || state === 'resolved_not_charged') {
    giveBack(
      { ...told, attempt: attempts.change(attempt, { providerReference: reference }) },
      state === 'closed'
        ? 'The attempt was closed, and the provider has charged all the same.'
        : 'A person has said that nothing was charged, and the provider has charged.',
    );
  } else if (state === 'declined') {
    if (by === 'inquiry') {
      giveBack(
        { ...told, attempt: attempts.change(attempt, { providerReference: reference }) },
        'The provider had declined, and has charged all the same.',
      );
    } else {
      // D3. What moved is in the provider's book: it is asked what holds.
      contradict(told, 'approved', { dueAt: told.context.now, tries: 0 });
    }
  }
}

function decline(told: Case, statement: Extract<Statement, { kind: 'declined' }>, by: HeardBy): void {
  const { attempts, attempt } = told;
  if (isOpen(attempt)) {
    const declined = settle(told, { state: 'declined' });
    // Money may have moved all the same, whose answer was lost: the book is asked, and what stands in it is given back.
    if (by === 'callback') makeSure(told.attempts, declined, told.context);
    if (declined.cancelling) {
      tellCancelled(attempts, declined, 'The provider had declined the charge.');
    } else {
      attempts.tell(declined, 'provider.declined', {
        ...attemptData(declined),
        code: 'providers.charge_declined',
        detail: `${declined.provider} declined the charge: ${reasonOf(statement)}`,
      });
    }
  } else {
    contradictCharged({ ...told, attempt: endRecheck(told, by) }, 'declined');
  }
}

function hearVoided(told: Case, by: HeardBy): void {
  const { attempt } = told;
  if (isOpen(attempt)) {
    close(told, `${attempt.provider} has voided the charge.`);
  } else {
    contradictCharged({ ...told, attempt: endRecheck(told, by) }, 'voided');
  }
}

function makeSure(attempts: Attempts, attempt: Attempt, { now, random }: DecisionContext): void {
  attempts.change(attempt, { dueAt: now + askingDelayMs(0, random) });
}

/** What was to be made sure of is known. A callback is what it was to be made sure against. */
function endRecheck({ attempts, attempt }: Case, by: HeardBy): Attempt {
  return attempt.dueAt !== null && by !== 'callback' ? attempts.change(attempt, { dueAt: null }) : attempt;
}

/** That nothing was charged contradicts only what says that something was. */
function contradictCharged(told: Case, what: string): void {
  const { state } = told.attempt;
  if (state === 'approved' || state === 'unexpected' || state === 'resolved_charged')
    contradict(told, what, {});
}

/** The provider has it: a callback will say more, and an inquiry if that does not come. */
function wait(told: Case, reference: string | null, by: HeardBy): void {
  const { attempts, attempt, context } = told;
  const { state } = attempt;
  // What is being voided stays so: that ends the waiting.
  if (state === 'voiding') {
    if (by === 'answer') askLater(told);
    return;
  }
  if (!isOpen(attempt)) {
    if (attempt.dueAt !== null && by !== 'callback') askOnceMore(told);
    return;
  }
  const tries = state === 'pending' ? attempt.tries + 1 : 0;
  attempts.change(attempt, {
    state: 'pending',
    exposed: true,
    providerReference: reference,
    tries,
    dueAt: askAgainAt(attempt, tries, context),
  });
}
