/** Stage one: payment.requested → payment.validated or payment.rejected. Stateless but for its log. */
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { subjectsIn } from '#platform/log/own-effects.ts';
import type { AccountGlance, Ledger } from '#services/ledger/contract.ts';
import type { PaymentRequested } from '#services/payments/contract.ts';
import type { PaymentTerms } from './events.ts';
import { validatePayment } from './validate-payment.ts';

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
        ledger.glance(tx, events.flatMap(partiesOf)),
      ]);
      return { accounts, answered };
    },
    decide: ({ accounts, answered }, events) => ({
      drafts: events
        .filter((event) => !answered.has(event.subject))
        .map((event) => decideOne(accounts, event as LogEvent<PaymentRequested>)),
    }),
    save: () => undefined,
  };
}

function partiesOf(event: LogEvent): { tenant: string; id: string }[] {
  const { wallet_id, service_id } = event.data as PaymentRequested;
  return [
    { tenant: event.tenant, id: wallet_id },
    { tenant: event.tenant, id: service_id },
  ];
}

function decideOne(accounts: Loaded['accounts'], event: LogEvent<PaymentRequested>): EventDraft {
  const { wallet_id, service_id, amount, currency, method } = event.data;
  const terms: PaymentTerms = { wallet_id, service_id, amount, currency, method };
  const decision = validatePayment(accounts, event.tenant, terms);
  if (decision.ok) return follow(event, { type: 'payment.validated', data: terms });
  const { code, detail } = decision.problem;
  return follow(event, { type: 'payment.rejected', data: { ...terms, code, detail } });
}
