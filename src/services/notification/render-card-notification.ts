import { toRfc3339 } from '#kernel/clock.ts';
import type { Currency } from '#kernel/currencies.ts';
import { formatMoney } from '#kernel/money.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { CardApproved, CardCaptured, CardReleased, CardReversed } from '#services/cards/contract.ts';
import type { EntryPosted } from '#services/ledger/contract.ts';

/** The payload, of the form that notifications of payments have. The card is the event's key. */
export function renderCardNotification(event: LogEvent): string {
  return JSON.stringify({
    type: event.type,
    timestamp: toRfc3339(event.occurredAt),
    data: {
      card_transaction_id: event.subject,
      account: event.key,
      ...toldOf(event),
      correlation_id: event.correlationId,
    },
  });
}

function toldOf({ type, data }: LogEvent): JsonObject {
  switch (type) {
    case 'card.approved': {
      const { merchant, mcc, category, amount, currency, entry } = data as CardApproved;
      return {
        merchant,
        mcc,
        category,
        ...moneyOf(amount ?? 0, currency ?? ''),
        is_held: entry === undefined,
      };
    }
    case 'card.captured': {
      const { held, entry } = data as CardCaptured;
      return { ...movedBy(entry), held };
    }
    case 'card.reversed': {
      const { reversal_id, because, entry } = data as CardReversed;
      return { reversal_id, ...movedBy(entry), because };
    }
    default: {
      const { amount, because } = data as CardReleased;
      return { amount, because };
    }
  }
}

function movedBy({ postings }: EntryPosted): JsonObject {
  const [posting] = postings;
  return posting === undefined ? {} : moneyOf(posting.amount, posting.currency);
}

function moneyOf(amount: number, currency: string): JsonObject {
  return { amount, currency, amount_text: formatMoney(BigInt(amount), currency as Currency) };
}
