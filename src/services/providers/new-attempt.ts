/** How attempts begin. Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { type Attempt, type AttemptPurpose, attemptUuid } from './attempt.ts';
import { NOBODY } from './nobody.ts';
import type { Choice } from './routing.ts';

type Money = Pick<Attempt, 'amount' | 'currency'>;

interface Beginning {
  readonly now: EpochMs;
  /** When to send; null for now, by the process that commits it. */
  readonly sendAt: EpochMs | null;
  /** What the sender has until, if it sends now. */
  readonly window: { readonly sendBefore: EpochMs; readonly dueAt: EpochMs };
}

const FRESH = {
  exposed: false,
  cancelling: false,
  toldUnknown: false,
  toldUnresolved: false,
  contradictions: [],
  heard: 0,
  tries: 0,
  providerReference: null,
} as const;

/** `waiting` until its time has come, or `sending` from the commit on. */
function beginningOf({ now, sendAt, window }: Beginning) {
  const times = { createdAt: now, updatedAt: now };
  return sendAt === null
    ? { ...FRESH, ...times, ...window, state: 'sending' as const, calls: 1 }
    : { ...FRESH, ...times, sendBefore: now, dueAt: sendAt, state: 'waiting' as const, calls: 0 };
}

function originOf(event: LogEvent) {
  const { tenant, subject, key, partition, correlationId, traceparent } = event;
  return { tenant, subject, key, partition, correlationId, traceparent, cause: eventIdentity(event) };
}

/** The first attempt to charge a payment. */
export function firstCharge(
  event: LogEvent,
  money: Money,
  beginning: Beginning & { readonly choice: Choice; readonly deadlineAt: EpochMs },
): Attempt {
  return {
    ...originOf(event),
    ...beginningOf(beginning),
    ...beginning.choice,
    uuid: attemptUuid(event.subject, 'charge', 1),
    kind: 'charge',
    purpose: 'payment',
    chargeUuid: null,
    number: 1,
    amount: money.amount,
    currency: money.currency,
    deadlineAt: beginning.deadlineAt,
  };
}

/**
 * What stands for a payment that no route takes: nobody was asked, and nobody will be, whatever the routes are when its
 * event is delivered again.
 */
export function chargeOfNobody(
  event: LogEvent,
  money: Money,
  { now, deadlineAt }: { readonly now: EpochMs; readonly deadlineAt: EpochMs },
): Attempt {
  const choice = { provider: NOBODY, others: [] };
  const window = { sendBefore: now, dueAt: now };
  const begun = firstCharge(event, money, { now, sendAt: now, window, choice, deadlineAt });
  return { ...begun, state: 'closed', dueAt: null };
}

/** What stands for a charge whose attempt is gone: it is in doubt, and its time is over. */
export function lostCharge(event: LogEvent, money: Money, now: EpochMs): Attempt {
  const choice = { provider: NOBODY, others: [] };
  const window = { sendBefore: now, dueAt: now };
  const begun = firstCharge(event, money, { now, sendAt: now, window, choice, deadlineAt: now });
  return { ...begun, state: 'unknown', exposed: true, toldUnresolved: true };
}

/** The attempt after one that is closed; it has the payment's deadline. */
export function nextCharge(
  closed: Attempt,
  next: { readonly choice: Choice; readonly sendAt: EpochMs; readonly now: EpochMs },
): Attempt {
  const number = closed.number + 1;
  const window = { sendBefore: next.now, dueAt: next.sendAt };
  return {
    ...closed,
    ...beginningOf({ now: next.now, sendAt: next.sendAt, window }),
    ...next.choice,
    uuid: attemptUuid(closed.subject, 'charge', number),
    number,
  };
}

/** A refund that an event asks for. Without a charge to give back it is refused as it begins. */
export function firstRefund(
  event: LogEvent,
  money: Money,
  refund: Beginning & {
    readonly charge: Attempt | undefined;
    readonly purpose: AttemptPurpose;
    readonly number: number;
    readonly deadlineAt: EpochMs;
  },
): Attempt {
  const { charge, purpose, number, deadlineAt } = refund;
  const begun = {
    ...originOf(event),
    ...beginningOf(refund),
    uuid: attemptUuid(event.subject, 'refund', number),
    kind: 'refund' as const,
    purpose,
    chargeUuid: charge?.uuid ?? null,
    provider: charge?.provider ?? NOBODY,
    others: [],
    number,
    amount: money.amount,
    currency: money.currency,
    deadlineAt,
  };
  if (charge === undefined) return { ...begun, state: 'refused', dueAt: null, calls: 0 };
  // A refund is asked again under its key until there is an answer: nobody need know whether it was sent.
  return { ...begun, state: 'sending' };
}

/** What stands for a refund whose attempt is gone, and its charge: it is in doubt, and its time is over. */
export function lostRefund(event: LogEvent, money: Money, now: EpochMs): Attempt {
  const window = { sendBefore: now, dueAt: now };
  const times = { now, sendAt: now, window, deadlineAt: now };
  const begun = firstRefund(event, money, { ...times, charge: undefined, purpose: 'refund', number: 1 });
  return { ...begun, state: 'pending', dueAt: now, exposed: true, toldUnresolved: true };
}

/** Gives back a charge that its payment does not want. */
export function unexpectedRefund(
  charge: Attempt,
  refund: { readonly number: number; readonly now: EpochMs; readonly deadlineAt: EpochMs },
): Attempt {
  const { number, now, deadlineAt } = refund;
  return {
    ...charge,
    ...beginningOf({ now, sendAt: now, window: { sendBefore: now, dueAt: now } }),
    uuid: attemptUuid(charge.subject, 'refund', number),
    kind: 'refund',
    purpose: 'unexpected',
    state: 'sending',
    chargeUuid: charge.uuid,
    others: [],
    number,
    deadlineAt,
  };
}

/** The same refund under a new key, the provider having given up the last one. */
export function refundAgain(
  refused: Attempt,
  again: { readonly number: number; readonly now: EpochMs; readonly sendAt: EpochMs },
): Attempt {
  const { number, now, sendAt } = again;
  return {
    ...refused,
    ...beginningOf({ now, sendAt, window: { sendBefore: now, dueAt: sendAt } }),
    uuid: attemptUuid(refused.subject, 'refund', number),
    state: 'sending',
    toldUnresolved: refused.toldUnresolved,
    number,
  };
}
