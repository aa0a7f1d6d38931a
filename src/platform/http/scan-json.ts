/**
 * One pass over a JSON text before it is parsed, for what the parsed value no longer shows. It does not check the
 * syntax (JSON.parse does), so on broken JSON its answer means nothing. About 1 ns a character.
 */
export interface JsonScan {
  /** Deepest nesting of objects and arrays, `[[]]` being 2. */
  readonly depth: number;
  /** Members as written, repeated names included. */
  readonly members: number;
  /** Some string has an escape: only through one can it hold a NUL, a quote or half a surrogate pair. */
  readonly escapes: boolean;
  /** Some number has an exponent or more digits, of its fraction too, than a double surely keeps. */
  readonly delicateNumbers: boolean;
}

/** A double keeps every decimal of this many digits apart from all others of so many. */
export const SAFE_DIGITS = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COLON = 0x3a;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const CAPITAL_E = 0x45;
const SMALL_E = 0x65;

export function scanJson(text: string): JsonScan {
  let deepest = 0;
  let depth = 0;
  let members = 0;
  let delicateNumbers = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      at = endOfString(text, at);
    } else if (character === COLON) {
      members += 1;
    } else if (character === OPEN_OBJECT || character === OPEN_ARRAY) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (character === CLOSE_OBJECT || character === CLOSE_ARRAY) {
      depth -= 1;
    } else if (character >= ZERO && character <= NINE) {
      const end = endOfNumber(text, at);
      if (isDelicate(text, at, end)) delicateNumbers = true;
      at = end - 1;
    }
  }
  return { depth: deepest, members, escapes: text.includes('\\'), delicateNumbers };
}

/** Where the quote stands that ends the string beginning at `start`. */
export function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length) {
    const character = text.charCodeAt(end);
    if (character === QUOTE) return end;
    end += character === BACKSLASH ? 2 : 1;
  }
  return end;
}

/** Where the first character stands that is neither digit nor point. */
export function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length) {
    const character = text.charCodeAt(end);
    if ((character < ZERO || character > NINE) && character !== POINT) break;
    end += 1;
  }
  return end;
}

/** Whether the number whose digits are from `start` to `end` might be one that a double does not keep. The point counts as a digit. */
export function isDelicate(text: string, start: number, end: number): boolean {
  return end - start > SAFE_DIGITS || isExponent(text.charCodeAt(end));
}

function isExponent(character: number): boolean {
  return character === CAPITAL_E || character === SMALL_E;
}
