/** Names found good. There are some 600, so it stays small; asking `Intl` costs 30 µs, in which a batch could decide ten more. */
const known = new Set<string>();

/**
 * Whether a text is an IANA time zone or an alias of one, in the spelling of the database: `America/Sao_Paulo`, `UTC`,
 * `EST`. `Intl` also takes any case, offsets such as `+03:00` and names of its own such as `IST` and `SystemV/PST8`; other
 * readers of the same name would not, or mean another zone.
 */
export function isTimeZone(text: string): boolean {
  if (known.has(text)) return true;
  const resolved = resolve(text);
  const misspelt = resolved !== text && resolved?.toLowerCase() === text.toLowerCase();
  if (resolved === undefined || misspelt || !isOfIana(text)) return false;
  known.add(text);
  return true;
}

/** What all names of places begin with. */
const AREAS: ReadonlySet<string> = new Set(
  'Africa America Antarctica Arctic Asia Atlantic Australia Brazil Canada Chile Etc Europe Indian Mexico Pacific US'.split(
    ' ',
  ),
);
/** No more are added (its file `theory.html`). */
const NAMES_WITHOUT_AREA: ReadonlySet<string> = new Set(
  (
    'CET CST6CDT Cuba EET EST EST5EDT Egypt Eire GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST Hongkong Iceland Iran Israel ' +
    'Jamaica Japan Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland Portugal ROC ROK Singapore Turkey UCT ' +
    'UTC Universal W-SU WET Zulu'
  ).split(' '),
);

function isOfIana(text: string): boolean {
  const [area = ''] = text.split('/', 1);
  return area === text ? NAMES_WITHOUT_AREA.has(text) : AREAS.has(area);
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
