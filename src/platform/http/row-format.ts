/** What a request wants its answer in, where rows can be told in either (RFC 9110 §12.5.1). */
export type RowFormat = 'json' | 'csv';

/** RFC 4180 §3: the first line names the columns. */
export const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

/** CSV where it is named and nothing in JSON's place is wanted more. */
export function formatOf(accept: string | undefined): RowFormat {
  if (accept === undefined) return 'json';
  const weights = new Map(accept.split(',').map(rangeOf));
  const csv = weights.get('text/csv') ?? weights.get('text/*') ?? 0;
  const json = weights.get('application/json') ?? weights.get('application/*') ?? 0;
  return csv > 0 && csv >= json && !(csv === json && accept.indexOf('json') < accept.indexOf('csv'))
    ? 'csv'
    : 'json';
}

function rangeOf(text: string): [string, number] {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const q = weight === undefined ? 1 : Number(weight);
  return [type, Number.isFinite(q) ? q : 0];
}
