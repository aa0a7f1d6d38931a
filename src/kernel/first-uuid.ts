import type { EpochMs } from './clock.ts';

/** How far an id's time may be ahead of the clock: ids go on in order for up to 10 s if that is set back. */
export const ID_AHEAD_MS = 10_000;

/** Before every UUIDv7 of that millisecond and later (RFC 9562 §5.7): so rows with such ids are read by time. */
export function firstUuidAt(at: EpochMs): string {
  const hex = Math.max(0, at).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
