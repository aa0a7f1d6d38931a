/** An instant as milliseconds since the Unix epoch, UTC. On the wire and in events it is RFC 3339 with milliseconds. */
export type EpochMs = number;

/** Time is an input: deciders get an instant, only the edges hold a clock. */
export interface Clock {
  now(): EpochMs;
}

export const systemClock: Clock = { now: () => Date.now() };

export function toRfc3339(at: EpochMs): string {
  return new Date(at).toISOString();
}
