/**
 * Stage one: payment.requested → payment.validated or payment.rejected, likewise refunds; interventions are handed on.
 * Stateless but for its log.
 *
 * V1: each event is answered once. A payment.requested was answered if the log knows the payment at all: all events
 *     about a payment are in one partition, in order, and payments appends none about it before the one that asks for
 *     it (they need its row, which is of the same commit). So the answer to the request is the first thing said here
 *     about the payment, and what else is said stands behind it. The hot path thus needs one look-up by subject.
 *     Everything else is answered if an event here names it as its cause.
 */
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { causationsIn, subjectsIn } from '#platform/log/own-effects.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { type Accounts, answer, concernsMoney, HANDLES, partiesOf } from './answer-request.ts';

interface Loaded {
  readonly accounts: Accounts;
  /** Payments whose request was answered before, if it is delivered again (V1). */
  readonly answered: ReadonlySet<string>;
  /** Other events answered before, by identity (V1). */
  readonly caused: ReadonlySet<string>;
}

export function validationConsumer(ledger: Ledger): Consumer<Loaded, ConsumerPlan> {
  return {
    group: 'validation',
    topics: ['payments'],
    emits: 'validation',
    handles: HANDLES,
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const requests = events.filter(isPaymentRequest);
      const others = events.filter((event) => !isPaymentRequest(event));
      const [answered, caused, accounts] = await Promise.all([
        subjectsIn(
          tx,
          'validation',
          requests.map((event) => event.subject),
        ),
        causationsIn(tx, 'validation', others),
        ledger.glance(tx, events.filter(concernsMoney).flatMap(partiesOf)),
      ]);
      return { accounts, answered, caused };
    },
    decide: (loaded, events) => ({
      drafts: events
        .filter((event) => !isAnswered(loaded, event))
        .map((event) => answer(loaded.accounts, event)),
    }),
    save: () => undefined,
  };
}

function isPaymentRequest({ type }: LogEvent): boolean {
  return type === 'payment.requested';
}

// V1
function isAnswered({ answered, caused }: Loaded, event: LogEvent): boolean {
  return isPaymentRequest(event) ? answered.has(event.subject) : caused.has(eventIdentity(event));
}
