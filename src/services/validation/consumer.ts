/** Stage one: payment.requested → payment.validated or payment.rejected. Stateless but for its log. */
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { subjectsIn } from '#platform/log/own-effects.ts';
import type { AccountGlance, Ledger } from '#services/ledger/contract.ts';
import type { PaymentRequested } from '#services/payments/contract.ts';
import { answerRequest, partiesOf } from './answer-request.ts';

interface Loaded {
  readonly accounts: ReadonlyMap<string, AccountGlance>;
  /** Payments answered before, if their event is delivered again. */
  readonly answered: ReadonlySet<string>;
}

export function validationConsumer(ledger: Ledger): Consumer<Loaded, ConsumerPlan> {
  return {
    group: 'validation',
    topics: ['payments'],
    emits: 'validation',
    handles: new Map([['payment.requested', 1]]),
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const [answered, accounts] = await Promise.all([
        subjectsIn(
          tx,
          'validation',
          events.map((event) => event.subject),
        ),
        ledger.glance(tx, (events as readonly LogEvent<PaymentRequested>[]).flatMap(partiesOf)),
      ]);
      return { accounts, answered };
    },
    decide: ({ accounts, answered }, events) => ({
      drafts: events
        .filter((event) => !answered.has(event.subject))
        .map((event) => answerRequest(accounts, event as LogEvent<PaymentRequested>)),
    }),
    save: () => undefined,
  };
}
