/**
 * What the plain ways have in common (plain-payment-sql.ts, plain-money-sql.ts): conditions on parts of an event's data, as
 * SQL. What meets them means the same to JSON, to JavaScript and to PostgreSQL.
 *
 * PostgreSQL builds the states of a regular expression anew for each text: one with many of them, as dates and bounded
 * repetitions have, costs a hundred times one of three (measured: 114 µs for a pair of places, 2.5 for their numbers).
 */

/** An instant as events have it. Of a stored one: then it is a date that there is. */
export function instantText(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

const AMOUNT = '[1-9][0-9]*';
const COUNT = '(?:0|[1-9][0-9]*)';
const SIGNED = '(?:0|-?[1-9][0-9]*)';
const PATTERNS = { amount: AMOUNT, count: COUNT, signed: SIGNED } as const;

/** Sign and digits: below 2^53. */
const NUMBER_LENGTH = 15;

/** Whether the texts are such numbers, each written in the one way that JSON is rendered. */
export function areNumbers(texts: readonly (readonly [sql: string, kind: keyof typeof PATTERNS])[]): string {
  const lengths = texts.map(([sql]) => `octet_length(${sql}) <= ${NUMBER_LENGTH}`);
  const pattern = texts.map(([, kind]) => PATTERNS[kind]).join(',');
  return `concat_ws(',', ${texts.map(([sql]) => sql).join(', ')}) ~ '^${pattern}$' and ${lengths.join(' and ')}`;
}

/** Whether JSON renders the texts as they are. */
export function areUnescaped(texts: readonly string[]): string {
  return `to_json(concat(${texts.join(', ')}))::text = '"' || concat(${texts.join(', ')}) || '"'`;
}
