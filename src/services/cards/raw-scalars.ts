/**
 * The text of a member's value as it stands in a JSON object, where the parsed value no longer shows it: what digits a
 * number was written with. The text must be JSON of an object, each name once (json-body.ts has seen to both).
 */
const WORD = /[^\s,}\]]+/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const SPACE = /\s*/y;

/** By name, the values of the object's own members that are neither strings, objects nor arrays. */
export function rawScalars(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let at = text.indexOf('{') + 1;
  for (;;) {
    at = after(SPACE, text, at);
    if (text[at] === ',') at = after(SPACE, text, at + 1);
    if (text[at] !== '"') return found;
    const nameEnd = after(STRING, text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    at = after(SPACE, text, after(SPACE, text, nameEnd) + 1);
    const valueEnd = endOfValue(text, at);
    if (!'"{['.includes(text.charAt(at))) found.set(name, text.slice(at, valueEnd));
    at = valueEnd;
  }
}

function endOfValue(text: string, start: number): number {
  const first = text.charAt(start);
  if (first === '"') return after(STRING, text, start);
  return first === '{' || first === '[' ? endOfNested(text, start) : after(WORD, text, start);
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const character = text.charAt(at);
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
    at = character === '"' ? after(STRING, text, at) : at + 1;
  } while (depth > 0);
  return at;
}

/** Where what the pattern matches at `at` ends. */
function after(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  pattern.test(text);
  return Math.max(pattern.lastIndex, at);
}
