/** As many as a page of the API has. */
const LIST_MAX = 500;

/** What `--limit` gives: how many are listed at most. */
export function givenLimit(text: string): number {
  const rows = Number(text);
  if (!Number.isInteger(rows) || rows < 1 || rows > LIST_MAX)
    throw new Error(`--limit is a number from 1 to ${LIST_MAX}`);
  return rows;
}
