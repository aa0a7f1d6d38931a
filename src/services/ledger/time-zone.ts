/** Names found good. There are some 600, so it stays small; asking `Intl` costs 30 µs, in which a batch could decide ten more. */
const known = new Set<string>();

/**
 * Whether a text is an IANA time zone or an alias of one, in the spelling of the database: `America/Sao_Paulo`, `UTC`,
 * `EST`. `Intl` also takes any case and offsets such as `+03:00`; other readers of the same name would not.
 */
export function isTimeZone(text: string): boolean {
  if (known.has(text)) return true;
  const resolved = resolve(text);
  const misspelt = resolved !== text && resolved?.toLowerCase() === text.toLowerCase();
  if (resolved === undefined || misspelt || /^[+-]/.test(text)) return false;
  known.add(text);
  return true;
}

/** The zone's own name, of which the text may be an alias. */
function resolve(text: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch (error) {
    if (error instanceof RangeError) return undefined; // how Intl says that it knows no such zone
    throw error;
  }
}
