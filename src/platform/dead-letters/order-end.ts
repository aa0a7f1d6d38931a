import type { EpochMs } from '#kernel/clock.ts';
import type { AboutDeadLetter, Order } from './order-store.ts';

/** What is to be done once the commit of an order is known; undefined where somebody else had executed it. */
export type Done = (() => Promise<void>) | undefined;

export const NOTHING_LEFT = async (): Promise<void> => undefined;

/** What the audit of a dead letter says of every order about it. */
export function auditOf(order: Order, { deadLetter }: AboutDeadLetter, at: EpochMs) {
  return { deadLetter, at, actor: order.requestedBy, reason: order.reason };
}
