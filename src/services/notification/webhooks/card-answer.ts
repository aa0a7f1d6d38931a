/** The answer to a card transaction that its caller wants to be told (K10), out of the cards' log. */
import { InvariantViolation } from '#kernel/fault.ts';
import type { LogEvent } from '#platform/log/event.ts';

export const ANSWER_OWED = 'card.answer_owed';

export function callbackUrlOf({ data }: LogEvent): string {
  const url = data['callback_url'];
  if (typeof url !== 'string') throw new InvariantViolation('an answer is owed to nobody');
  return url;
}

/** As its receiver knows it. */
export function answerTold(event: LogEvent): LogEvent {
  const { callback_url: _url, ...data } = event.data;
  return { ...event, type: 'card.answered', data };
}
