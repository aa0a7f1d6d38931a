/**
 * Walks a valid JSON text for what its parsed value does not show, and knows where it stands: it gives every name of a
 * member, and every number that a double might not keep. Whoever has seen enough stops. Some 10 ns a character.
 */
import { pointerStep } from './json-pointer.ts';
import { endOfNumber, endOfString, isDelicate } from './scan-json.ts';

/** An object or array that is open where the walk stands. */
export interface Container {
  readonly parent: Container | undefined;
  /** To the value that is being read: the member's name, or the element's index. */
  step: string | number;
}

export interface JsonPart {
  readonly kind: 'name' | 'number';
  /** What a name says; a number as written, without its sign. */
  readonly text: string;
  /** Undefined of a number that is the whole text. */
  readonly holder: Container | undefined;
}

export function* walkJson(text: string): Generator<JsonPart, void> {
  let holder: Container | undefined;
  let expectsName = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') {
      const end = endOfString(text, at);
      if (expectsName && holder !== undefined) {
        holder.step = stringIn(text, at, end);
        yield { kind: 'name', text: holder.step, holder };
      }
      expectsName = false;
      at = end;
    } else if (character === '{' || character === '[') {
      expectsName = character === '{';
      holder = { parent: holder, step: expectsName ? '' : 0 };
    } else if (character === '}' || character === ']') {
      holder = holder?.parent;
      expectsName = false;
    } else if (character === ',') {
      if (typeof holder?.step === 'number') holder.step += 1;
      else expectsName = true;
    } else if (character >= '0' && character <= '9') {
      const digitsEnd = endOfNumber(text, at);
      const end = endOfExponent(text, digitsEnd);
      if (isDelicate(text, at, digitsEnd)) yield { kind: 'number', text: text.slice(at, end), holder };
      at = end - 1;
    }
  }
}

/** Where the value stands that is being read in `holder`, as a JSON pointer. */
export function pointerIn(holder: Container | undefined): string {
  return holder === undefined ? '' : pointerIn(holder.parent) + pointerStep(holder.step);
}

/** What the string says that stands between two quotes. */
function stringIn(text: string, start: number, end: number): string {
  const inner = text.slice(start + 1, end);
  return inner.includes('\\') ? String(JSON.parse(`"${inner}"`)) : inner;
}

/** Where a number ends of whose digits and point the end is known. */
function endOfExponent(text: string, digitsEnd: number): number {
  if (!/[eE]/.test(text.charAt(digitsEnd))) return digitsEnd;
  const signed = /[+-]/.test(text.charAt(digitsEnd + 1)) ? 2 : 1;
  return endOfNumber(text, digitsEnd + signed);
}
