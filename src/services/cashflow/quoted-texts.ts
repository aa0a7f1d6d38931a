/**
 * Texts in quotes that go on over several lines, as RFC 4180 lets them; pure. No entry is taken from them, and none from a line
 * inside of one either: it is a part of a text, however much it looks like an entry. A quote that is followed by something else
 * than the end of a value ends no text: then the one that was opened before was opened by mistake, and stands for itself.
 */

/** Indices of lines, both included. */
export interface QuotedText {
  readonly from: number;
  readonly to: number;
}

export interface QuotedTexts {
  readonly texts: readonly QuotedText[];
  /** The line in which a quote was opened that none has closed yet; `BEFORE` if that was before all of them. */
  readonly openFrom: number | undefined;
}

/** No line of those that are looked at. */
export const BEFORE = -1;

const QUOTE = 0x22;
const COMMA = 0x2c;
const CARRIAGE_RETURN = 0x0d;

/** Lines without their ends. `openFrom`: of those before them. */
export function findQuotedTexts(lines: readonly Buffer[], openFrom?: typeof BEFORE): QuotedTexts {
  const texts: QuotedText[] = [];
  let from: number | undefined = openFrom;
  for (const [index, line] of lines.entries()) {
    let rest = line;
    if (from !== undefined) {
      const end = endOfText(line, 0);
      if (end === undefined) continue;
      if (isEndOfValue(line, end + 1)) {
        texts.push({ from, to: index });
        rest = line.subarray(end + 2);
      }
      from = undefined;
    }
    if (opensText(rest)) from = index;
  }
  return { texts, openFrom: from };
}

/** Whether a quote is open behind values. */
function opensText(values: Buffer): boolean {
  let at = 0;
  for (;;) {
    if (values[at] === QUOTE) {
      const end = endOfText(values, at + 1);
      if (end === undefined) return true;
      if (!isEndOfValue(values, end + 1)) return false;
      at = end + 1;
    }
    const comma = values.indexOf(COMMA, at);
    if (comma < 0) return false;
    at = comma + 1;
  }
}

/** Where the quote stands that ends a text; two of them are one inside of it. */
function endOfText(line: Buffer, from: number): number | undefined {
  for (let at = line.indexOf(QUOTE, from); at >= 0; at = line.indexOf(QUOTE, at + 2))
    if (line[at + 1] !== QUOTE) return at;
  return undefined;
}

function isEndOfValue(line: Buffer, at: number): boolean {
  const last = line.length - (line.at(-1) === CARRIAGE_RETURN ? 1 : 0);
  return at >= last || line[at] === COMMA;
}
