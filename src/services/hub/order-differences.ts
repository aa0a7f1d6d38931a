/**
 * Where two orders under one idempotency key differ (U1). A message travels as text, and is compared as the JSON that it is: in
 * another order of its members it is the same message.
 */
import { differingPointers, MAX_DIFFERING_POINTERS } from '#kernel/canonical-json.ts';

/** What of an order is compared: all of it. */
interface Order {
  readonly operation: string;
  readonly message?: string;
  readonly definition?: unknown;
}

/** Pointers lead into the body as it was sent: that is a message or a definition, but that of a replay has a message. */
export function orderDifferences(before: Order, after: Order): string[] {
  const place = after.operation === 'integrations.replay' ? '/message' : '';
  const within = differingPointers(bodyOf(before), bodyOf(after)).map((pointer) => `${place}${pointer}`);
  return [...differingPointers(restOf(before), restOf(after)), ...within].slice(0, MAX_DIFFERING_POINTERS);
}

function bodyOf({ message, definition }: Order): unknown {
  return message === undefined ? definition : parsed(message);
}

/** The text itself of what is no JSON: a webhook is replayed as it came, and what is not there has an empty message. */
function parsed(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch {
    return message;
  }
}

function restOf({ message: _message, definition: _definition, ...rest }: Order): object {
  return rest;
}
