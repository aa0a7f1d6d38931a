/** Validation of whatever may be asked of payments and refunds, by its own answer to a payment's request. */
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { type EventDraft, eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { causationsIn } from '#platform/log/own-effects.ts';
import type { AccountGlance, AccountRef } from '#services/ledger/contract.ts';
import type { LedgerStore } from '#services/ledger/store.ts';
import type { PaymentRequested, RefundTerms } from '#services/payments/contract.ts';
import { answerRequest, partiesOf } from '#services/validation/answer-request.ts';
import { termsVersion } from '#services/validation/contract.ts';

type Accounts = ReadonlyMap<string, AccountGlance>;

export const RELAYED: ReadonlyMap<string, number> = new Map([
  ['payment.requested', 2],
  ['payment.cancel_requested', 1],
  ['payment.resolution_requested', 1],
  ['refund.requested', 1],
]);

export function partiesIn(event: LogEvent): readonly AccountRef[] {
  return event.type === 'payment.requested' ? partiesOf(event as LogEvent<PaymentRequested>) : [];
}

export function answerAny(accounts: Accounts, event: LogEvent): EventDraft {
  if (event.type === 'payment.requested') {
    const asked = event as LogEvent<PaymentRequested>;
    return { ...answerRequest(accounts, asked), version: termsVersion(asked.data) };
  }
  if (event.type === 'refund.requested')
    return follow(event as LogEvent<RefundTerms>, { type: 'refund.validated', data: event.data });
  return follow(event, { type: event.type.replace('_requested', '_admitted'), data: event.data });
}

/** Validation by itself. */
export function relayConsumer(
  ledger: LedgerStore,
): Consumer<{ answered: ReadonlySet<string>; accounts: Accounts }, ConsumerPlan> {
  return {
    group: 'validation',
    topics: ['payments'],
    emits: 'validation',
    handles: RELAYED,
    paceMs: 0,
    async load(tx, events) {
      const [answered, accounts] = await Promise.all([
        causationsIn(
          tx,
          'validation',
          events.map(({ subject }) => subject),
        ),
        ledger.glance(tx, events.flatMap(partiesIn)),
      ]);
      return { answered, accounts };
    },
    decide: ({ answered, accounts }, events) => ({
      drafts: events
        .filter((event) => !answered.has(eventIdentity(event)))
        .map((event) => answerAny(accounts, event)),
    }),
    save: () => undefined,
  };
}
