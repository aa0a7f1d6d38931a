import type { BuriedEvent } from '../dead-letters/bury.ts';
import type { LogEvent } from '../log/event.ts';

/** What the batch machine tells the outside: metrics and logs are made of it at the composition root. */
export interface BatchObserver {
  committed(worker: string, batch: { readonly events: number; readonly durationMs: number }): void;
  /** The batch will be tried again; the worker backs off. */
  failed(worker: string, error: unknown): void;
  /** A group has given an event up as a dead letter, and parked its key; or, for a target, what it has tried outside. */
  deadLettered?(
    group: string,
    letter: {
      readonly id: string;
      readonly event: BuriedEvent;
      readonly failure: { readonly code: string; readonly text: string };
      /** Of what was given up: whom it was meant for, and its service's own id. */
      readonly target?: string;
      readonly work?: string;
    },
  ): void;
  /** An event should have become one, and holds its partition up instead: too many were given up just before. */
  deadLetterWithheld?(group: string, event: LogEvent): void;
  /** A group's position is gone. It was made again, or else the partition stands until a person makes it. */
  positionLost?(
    group: string,
    place: { readonly topic: string; readonly partition: number; readonly isRemade: boolean },
  ): void;
}

/** Tells two what one hears. */
export function both(first: BatchObserver, second: BatchObserver): BatchObserver {
  return {
    committed(worker, batch) {
      first.committed(worker, batch);
      second.committed(worker, batch);
    },
    failed(worker, error) {
      first.failed(worker, error);
      second.failed(worker, error);
    },
    deadLettered(group, letter) {
      first.deadLettered?.(group, letter);
      second.deadLettered?.(group, letter);
    },
    deadLetterWithheld(group, event) {
      first.deadLetterWithheld?.(group, event);
      second.deadLetterWithheld?.(group, event);
    },
    positionLost(group, place) {
      first.positionLost?.(group, place);
      second.positionLost?.(group, place);
    },
  };
}
