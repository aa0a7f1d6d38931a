/** What callers ask of the hub. */
import type { PutDefinition } from './connector.ts';
import type { Entry } from './events.ts';

export interface PutConnectorOrder {
  readonly operation: 'connectors.put';
  readonly name: string;
  /** The one that is replaced, 0 for a new connector; null if the caller names none, as who makes a new one may. */
  readonly version: number | null;
  readonly definition: PutDefinition;
}

export interface IntegrateOrder {
  readonly operation: 'integrations.create';
  readonly connector: string;
  readonly entry: Entry;
  /** JSON as text. */
  readonly message: string;
}

export interface ReplayOrder {
  readonly operation: 'integrations.replay';
  readonly integration_id: string;
  readonly connector: string;
  readonly message: string;
}

/** `found` of its command is a `Decision<Delivered>`: what is to be undone, or why nothing is. */
export interface UndoOrder {
  readonly operation: 'integrations.undo';
  readonly integration_id: string;
  readonly reason: string;
}

/** What was delivered, and where; as the log tells. */
export interface Delivered {
  readonly destination: string;
  readonly message: string;
}

/**
 * Of a webhook of which nothing was taken. `found` of its command is a `Decision<IncomingHook>`: how it would come in now, or why
 * it does not.
 */
export interface ReplayHookOrder {
  readonly operation: 'hooks.replay';
  readonly hook_id: string;
}

export type HubOrder = PutConnectorOrder | IntegrateOrder | ReplayOrder | UndoOrder | ReplayHookOrder;
