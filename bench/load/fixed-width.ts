/** Fields of a request that are overwritten in place: of fixed width, so that nothing around them moves. */
import type { Random } from './random.ts';

const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const HEX_HIGH = Uint8Array.from(HEX_PAIRS, (pair) => pair.charCodeAt(0));
const HEX_LOW = Uint8Array.from(HEX_PAIRS, (pair) => pair.charCodeAt(1));
const DIGIT_ZERO = 0x30;
export const BLANK_UUID = '00000000-0000-4000-8000-000000000000';
/** Where the hex digits of each byte stand in a UUID's text. */
const UUID_OFFSETS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

/** Where what follows the text begins. */
export function endOf(bytes: Buffer, text: string): number {
  return bytes.indexOf(text) + text.length;
}

/** A UUID of version 4 in form, from the seeded source (RFC 9562 §5.4). */
export function writeUuid(bytes: Buffer, at: number, random: Random): void {
  for (let byte = 0; byte < UUID_OFFSETS.length; byte += 4) {
    const word = random.uint32();
    for (let part = 0; part < 4; part += 1)
      writeUuidByte(bytes, at, { index: byte + part, value: (word >>> (8 * part)) & 0xff });
  }
}

function writeUuidByte(
  bytes: Buffer,
  start: number,
  { index, value }: { readonly index: number; readonly value: number },
): void {
  const byte =
    index === VERSION_BYTE ? (value & 0x0f) | 0x40 : index === VARIANT_BYTE ? (value & 0x3f) | 0x80 : value;
  const at = start + (UUID_OFFSETS[index] ?? 0);
  bytes[at] = HEX_HIGH[byte] ?? 0;
  bytes[at + 1] = HEX_LOW[byte] ?? 0;
}

export function writeDigits(
  bytes: Buffer,
  at: number,
  { value, width }: { readonly value: number; readonly width: number },
): void {
  let rest = value;
  for (let place = at + width - 1; place >= at; place -= 1) {
    bytes[place] = DIGIT_ZERO + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
}
