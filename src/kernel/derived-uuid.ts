import { hash } from 'node:crypto';

/**
 * A uuid that is a function of what it is for: whoever derives it again, after a crash or in another process, finds the
 * same row. UUIDv8 (RFC 9562 §5.8) over SHA-256 of the parts; parts contain no newline.
 */
export function derivedUuid(...parts: readonly string[]): string {
  const hex = hash('sha256', parts.join('\n'), 'hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
