/** Which events tenants can be told of, and how an endpoint names those that it wants. Pure. */

/** The consumer group that tells of them. */
export const WEBHOOK_GROUP = 'webhooks';

/**
 * Every type that can be told of, each with the newest version that is read. Of one subject all are in one log, so that its
 * order is the log's. What a caller has asked for itself is not among them: it has the answer.
 */
export const TOLD_EVENTS: ReadonlyMap<string, number> = new Map([
  ['payment.authorized', 2],
  ['payment.completed', 2],
  ['payment.declined', 2],
  ['payment.failed', 2],
  ['payment.rejected', 2],
  ['payment.cancelled', 1],
  ['payment.compensated', 1],
  ['payment.reconciliation_required', 1],
  ['refund.authorized', 1],
  ['refund.completed', 1],
  ['refund.declined', 1],
  ['refund.failed', 1],
  ['refund.rejected', 1],
  ['refund.reconciliation_required', 1],
  ['card.created', 1],
  ['card.callback_set', 1],
  ['card.topped_up', 1],
  ['card.blocked', 1],
  ['card.unblocked', 1],
  ['card.approved', 1],
  ['card.declined', 1],
  ['card.captured', 1],
  ['card.released', 1],
  ['card.reversed', 1],
  ['webhook_endpoint.disabled', 1],
]);

/** A type, `payment.*`, or `*`. */
export const EVENT_PATTERN = '^(?:\\*|[a-z_]+\\.(?:\\*|[a-z_]+))$';

export function matches(patterns: readonly string[], type: string): boolean {
  const kind = `${type.slice(0, type.indexOf('.'))}.*`;
  return patterns.some((pattern) => pattern === '*' || pattern === type || pattern === kind);
}

/** The first pattern that no event can match. */
export function findIdlePattern(patterns: readonly string[]): string | undefined {
  const types = [...TOLD_EVENTS.keys()];
  return patterns.find((pattern) => !types.some((type) => matches([pattern], type)));
}
