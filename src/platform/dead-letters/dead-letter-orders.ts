/**
 * What callers may order about dead letters: the bodies of those commands, told apart by their operation, which is also the
 * scope of their idempotency keys.
 */
import type { JsonObject } from '../log/event.ts';
import type { OpenFilter } from './command-store.ts';

export interface ReplayOrder {
  readonly operation: 'dead_letters.replay';
  /** As it stands in the address. */
  readonly dead_letter_id: string;
  /** Instead of the event's own. */
  readonly data?: JsonObject;
  readonly reason?: string;
}

export interface GiveUpOrder {
  readonly operation: 'dead_letters.skip' | 'dead_letters.discard';
  readonly dead_letter_id: string;
  readonly reason: string;
}

export interface SetOrder extends OpenFilter {
  readonly operation: 'dead_letters.replay_set' | 'dead_letters.discard_set';
  /** Of dead letters; all that match the rest otherwise. */
  readonly ids?: readonly string[];
  readonly reason?: string;
}

export type DeadLetterOrder = ReplayOrder | GiveUpOrder | SetOrder;
