/** What the coordinator asks of the providers: to charge, to give back, to call off. Pure; an event seen again changes nothing (U3). */
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type {
  PaymentAuthorized,
  PaymentCancelling,
  PaymentCompensating,
  RefundAuthorized,
} from '#services/authorization/contract.ts';
import { type Attempt, findCharge, isOpen, nextNumber } from './attempt.ts';
import { type Attempts, attemptData } from './attempts.ts';
import { callOffCharge, settle, tellCancelled } from './charge-ends.ts';
import { tellRefused } from './decide-refund.ts';
import type { DecisionContext } from './decision-context.ts';
import { chargeOfNobody, firstCharge, firstRefund, lostCharge, lostRefund } from './new-attempt.ts';
import { choose } from './routing.ts';
import { sendingWindow } from './schedule.ts';

/** As an event's data, which must have no members that are unknown. */
export type Compensating = Pick<PaymentCompensating, keyof PaymentCompensating>;

/** What the answer to an event depends on beside its attempts. */
export interface EventContext extends DecisionContext {
  /** The event was passed before: the attempts that it began are gone if there are none now, and their requests may have left. */
  readonly isAgain: boolean;
  /** Takes a place at the provider for this process; false if there is none, and the attempt has to wait for one. */
  takePlace(provider: string): boolean;
}

export function beginCharge(
  attempts: Attempts,
  event: LogEvent<PaymentAuthorized>,
  context: EventContext,
): void {
  if (attempts.of(event.subject).length > 0) return;
  if (context.isAgain) {
    beginLost(attempts, event, context);
    return;
  }
  const { now, routing, deadlines } = context;
  const choice = choose(routing.routeOf(event.data), routing);
  const deadlineAt = now + deadlines.chargeMs;
  if (choice === undefined)
    tellNoRoute(attempts, attempts.begin(chargeOfNobody(event, event.data, { now, deadlineAt })));
  else
    attempts.begin(
      firstCharge(event, event.data, { ...beginning(context, choice.provider), choice, deadlineAt }),
    );
}

/**
 * Which provider was asked, nobody knows any more: to ask one of the route now could charge the payment twice. A person has
 * to find out.
 */
function beginLost(attempts: Attempts, event: LogEvent<PaymentAuthorized>, { now }: EventContext): void {
  const lost = attempts.begin(lostCharge(event, event.data, now));
  const detail = 'The attempt to charge it is lost: a person has to find out whether a provider has charged.';
  attempts.tell(lost, 'provider.unresolved', { ...attemptData(lost), detail });
  attempts.follow(lost, 'provider.unresolved');
}

function tellNoRoute(attempts: Attempts, attempt: Attempt): void {
  attempts.tell(attempt, 'provider.exhausted', {
    attempts: 0,
    code: 'providers.no_route',
    detail: `No route takes ${attempt.amount} minor units of ${attempt.currency}.`,
  });
}

/** By this process from the commit on, if it has a place for it; otherwise whoever has one takes it. */
function beginning(context: EventContext, provider: string) {
  const { now, routing } = context;
  const window = sendingWindow(now, routing.termsOf(provider)?.timeoutMs ?? 0);
  return { now, sendAt: context.takePlace(provider) ? null : now, window };
}

/** The charge is called off: at once if it has never left, else by the provider, which may say that it is too late. */
export function callOff(attempts: Attempts, event: LogEvent<PaymentCancelling>, context: EventContext): void {
  const current = attempts
    .of(event.subject)
    .filter(({ purpose }) => purpose === 'payment')
    .at(-1);
  // What has ended has told so: the coordinator goes on from that.
  if (current === undefined || current.cancelling || !isOpen(current)) return;
  const asked = { cancelling: true, cause: eventIdentity(event) };
  const neverLeft = !current.exposed && (current.state === 'waiting' || attempts.isBegun(current));
  if (neverLeft) {
    const cancelled = settle({ attempts, attempt: current, context }, { ...asked, state: 'closed' });
    tellCancelled(attempts, cancelled, 'The charge was called off before it was sent.');
  } else {
    callOffCharge(attempts, current, asked, context);
  }
}

/** A charge that the payment cannot keep is given back. */
export function giveChargeBack(
  attempts: Attempts,
  event: LogEvent<Compensating>,
  context: EventContext,
): void {
  const known = attempts.of(event.subject);
  if (event.data.step !== 'refund_charge' || known.some(({ purpose }) => purpose === 'compensation')) return;
  beginRefund(attempts, event, { charge: findCharge(known), purpose: 'compensation', context });
}

/** A refund is asked of the provider that charged the payment. */
export function refundPayment(
  attempts: Attempts,
  event: LogEvent<RefundAuthorized>,
  context: EventContext,
): void {
  if (attempts.of(event.subject).length > 0) return;
  const paidBy = findCharge(attempts.of(event.data.payment_id));
  if (context.isAgain && paidBy === undefined) {
    beginLostRefund(attempts, event, context);
    return;
  }
  beginRefund(attempts, event, { charge: paidBy, purpose: 'refund', context });
}

/** The charge is gone too, and with it who was asked: whether the money was given back, a person has to find out. */
function beginLostRefund(attempts: Attempts, event: LogEvent<RefundAuthorized>, { now }: EventContext): void {
  const lost = attempts.begin(lostRefund(event, event.data, now));
  const detail =
    'The attempt to give it back is lost: a person has to find out whether a provider has given it back.';
  attempts.tell(lost, 'provider.refund_unresolved', { ...attemptData(lost), detail });
  attempts.follow(lost, 'provider.refund_unresolved');
}

function beginRefund(
  attempts: Attempts,
  event: LogEvent<Compensating> | LogEvent<RefundAuthorized>,
  refund: {
    readonly charge: Attempt | undefined;
    readonly purpose: 'compensation' | 'refund';
    readonly context: EventContext;
  },
): void {
  const { charge, purpose, context } = refund;
  const begun = attempts.begin(
    firstRefund(event, event.data, {
      ...beginning(context, charge?.provider ?? ''),
      charge,
      purpose,
      number: nextNumber(attempts.of(event.subject), 'refund'),
      deadlineAt: context.now + context.deadlines.refundMs,
    }),
  );
  // Asked for again under its key, which the provider may know already.
  if (context.isAgain) attempts.change(begun, { exposed: true });
  if (charge === undefined) tellRefused(attempts, begun, 'No provider is known to have charged the payment.');
}
