/** What a request wants its answer in, where rows can be told in either (RFC 9110 §12.5.1). */
export type RowFormat = 'json' | 'csv';

/** RFC 4180 §3: the first line names the columns. */
export const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

const JSON_NAMED = /application\/(?:json|\*)/i;
const CSV_NAMED = /csv/i;

/** CSV where it is named and nothing in JSON's place is wanted more. */
export function formatOf(accept: string | undefined): RowFormat {
  if (accept === undefined) return 'json';
  const weights = new Map(accept.split(',').map(rangeOf));
  const csv = weights.get('text/csv') ?? weights.get('text/*') ?? 0;
  const json = weights.get('application/json') ?? weights.get('application/*') ?? weights.get('*/*') ?? 0;
  if (csv === 0 || csv < json) return 'json';
  const named = accept.search(JSON_NAMED);
  return csv === json && named !== -1 && named < accept.search(CSV_NAMED) ? 'json' : 'csv';
}

function rangeOf(text: string): [string, number] {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const q = weight === undefined ? 1 : Number(weight);
  return [type, Number.isFinite(q) ? q : 0];
}
