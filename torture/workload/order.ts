/** What is sent to change something, and what comes back. */
import type { Operation } from '../history/history.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A request that changes something. */
export interface Order {
  readonly operation: Operation;
  readonly key: string;
  readonly path: string;
  /** As it is sent: the same text each time. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}
