/** What a request wants a report in, and whether it has it already (RFC 9110 §12.5.1, §13.1.2). */
export type ReportFormat = 'json' | 'csv';

/** CSV where it is named and nothing in JSON's place is wanted more. */
export function formatOf(accept: string | undefined): ReportFormat {
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

/** Weak, as an answer also tells the lag, which is another one each time. */
export function etagOf(stamp: string, format: ReportFormat): string {
  return `W/"${stamp}.${format}"`;
}

export function isHeld(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');
  return ifNoneMatch.split(',').some((tag) => opaque(tag) === opaque(etag));
}
