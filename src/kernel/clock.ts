/** An instant as milliseconds since the Unix epoch, UTC. On the wire and in events it is RFC 3339 with milliseconds. */
export type EpochMs = number;

/** Time is an input: deciders get an instant, only the edges hold a clock. */
export interface Clock {
  now(): EpochMs;
}

export const systemClock: Clock = { now: () => Date.now() };

let lastRendered: { readonly at: EpochMs; readonly text: string } = {
  at: 0,
  text: new Date(0).toISOString(),
};

/** What a batch decides has one instant, rendered several times a payment (measured: 2 % of the program's time). */
export function toRfc3339(at: EpochMs): string {
  if (lastRendered.at !== at) lastRendered = { at, text: new Date(at).toISOString() };
  return lastRendered.text;
}

/** The same of what may not have happened. */
export function toRfc3339OrNull(at: EpochMs | null): string | null {
  return at === null ? null : toRfc3339(at);
}
