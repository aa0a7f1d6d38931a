/** What a holder of a card is told of an event: the payload as it is signed and sent, byte for byte. */
import { isCurrency } from '#kernel/currencies.ts';
import { formatMoney } from '#kernel/money.ts';
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import { amountOf, type CardEvent, entryIn } from './card-events.ts';
import { instantText } from './instant-text.ts';

/** Whose card it was, and of which request: the event's own columns. */
export interface ToldCardEvent extends CardEvent {
  readonly key: string;
  readonly correlationId: string;
}

export function expectedCardPayload({
  type,
  subject,
  occurredAt,
  data,
  key,
  correlationId,
}: ToldCardEvent): JsonObject {
  return {
    type,
    timestamp: instantText(occurredAt),
    data: {
      card_transaction_id: subject,
      account: key,
      ...toldOf(type, data),
      correlation_id: correlationId,
    },
  };
}

function toldOf(type: string, data: JsonObject): JsonObject {
  switch (type) {
    case 'card.approved':
      return {
        ...members(data, 'merchant', 'mcc', 'category'),
        ...moneyOf(data['amount'], data['currency']),
        is_held: !('entry' in data),
      };
    case 'card.captured':
      return { ...movedBy(data), ...members(data, 'held') };
    case 'card.reversed':
      return { ...members(data, 'reversal_id'), ...movedBy(data), ...members(data, 'because') };
    default:
      return members(data, 'amount', 'because');
  }
}

function members(data: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, data[name] ?? null]));
}

/** By the entry that it carries. */
function movedBy(data: JsonObject): JsonObject {
  const [posting] = entryIn('', data)?.postings ?? [];
  return posting === undefined ? {} : moneyOf(Math.abs(posting.amountMinor), posting.currency);
}

function moneyOf(amount: JsonValue | undefined, currency: JsonValue | undefined): JsonObject {
  const amountMinor = amountOf(amount);
  const isMoney = amountMinor !== undefined && typeof currency === 'string' && isCurrency(currency);
  return {
    amount: amountMinor ?? null,
    currency: currency ?? null,
    amount_text: isMoney ? formatMoney(BigInt(amountMinor), currency) : null,
  };
}
