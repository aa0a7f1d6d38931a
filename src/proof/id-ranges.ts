/** Ranges of the ids of payments, refunds and manual entries, one behind the other: what a page is of. */
import { type Id, idOf, isId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { Range } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { schemaOf } from './installation.ts';

/** Of what has a saga. */
export const SAGA_PREFIXES = ['pay', 'ref'] as const;

/** The least and the greatest text behind an id's prefix. */
const FIRST_SUFFIX = '';
const LAST_SUFFIX = '7zzzzzzzzzzzzzzzzzzzzzzzzz';

/** Ids after the first suffix up to and including the second, of any prefix. */
export interface IdRange {
  readonly after: string;
  readonly upTo: string;
}

export const FIRST_RANGE: IdRange = { after: FIRST_SUFFIX, upTo: FIRST_SUFFIX };

export function isLast(range: IdRange): boolean {
  return range.upTo === LAST_SUFFIX;
}

export function subjectsOf(
  { after, upTo }: IdRange,
  prefix: 'pay' | 'ref' | 'jen',
): { after: string; upTo: string } {
  return { after: `${prefix}_${after}`, upTo: `${prefix}_${upTo}` };
}

/** The first and last range are open, so that what has an id no log ever gave is in one of them too. */
export function uuidsOf({ after, upTo }: IdRange): Range {
  return {
    after: after === FIRST_SUFFIX ? null : uuidOf(`pay_${after}` as Id<'pay'>),
    upTo: upTo === LAST_SUFFIX ? null : uuidOf(`pay_${upTo}` as Id<'pay'>),
  };
}

/** The range of one payment or refund, and of what has the same uuid under another prefix. */
export function rangeOf(subject: PaymentId | RefundId): IdRange {
  const before = idOf('pay', uuidBefore(uuidOf(subject)));
  return { after: before.slice('pay_'.length), upTo: subject.slice('pay_'.length) };
}

/** The one before it in the order of ids and of rows. Nobody gives the first, or the last, to anything. */
export function uuidBefore(uuid: string): string {
  const number = BigInt(`0x${uuid.replaceAll('-', '')}`);
  const hex = (number === 0n ? 0n : number - 1n).toString(16).padStart(32, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The range after `previous` that holds about `rows` payments, or refunds, or manual entries, of whichever there are
 * most. By the index on subjects: ids rise with time, so a range is a stretch of time.
 */
export async function nextRange(reader: Reader, previous: IdRange, rows: number): Promise<IdRange> {
  const rest = { after: previous.upTo, upTo: LAST_SUFFIX };
  const found = await Promise.all(
    BOUNDED_BY.map(async ({ prefix, topic }) => {
      const { after, upTo } = subjectsOf(rest, prefix);
      const [row] = await reader.query<{ subject: string }>(
        `select subject from ${schemaOf(topic)}.events where subject > $1 and subject <= $2
         order by subject offset $3 limit 1`,
        [after, upTo, rows],
      );
      return suffixOf(row?.subject ?? null) ?? LAST_SUFFIX;
    }),
  );
  return { after: previous.upTo, upTo: found.sort()[0] ?? LAST_SUFFIX };
}

/** The logs whose subjects bound a range, by kind. */
const BOUNDED_BY = [
  { prefix: 'pay', topic: 'payments' },
  { prefix: 'ref', topic: 'payments' },
  { prefix: 'jen', topic: 'ledger' },
] as const;

/** The suffix of the last payment or refund there is; the first suffix if there is none. */
export async function lastSuffix(reader: Reader): Promise<string> {
  const found = await Promise.all(
    SAGA_PREFIXES.map(async (prefix) => {
      const { after, upTo } = subjectsOf({ after: FIRST_SUFFIX, upTo: LAST_SUFFIX }, prefix);
      const [row] = await reader.query<{ subject: string }>(
        'select subject from payments.events where subject > $1 and subject <= $2 order by subject desc limit 1',
        [after, upTo],
      );
      return suffixOf(row?.subject ?? null) ?? FIRST_SUFFIX;
    }),
  );
  return found.sort().at(-1) ?? FIRST_SUFFIX;
}

/** Subjects that are neither a payment's nor a refund's. */
export const STRAY_SUBJECTS: readonly Range[] = [
  { after: null, upTo: `pay_${FIRST_SUFFIX}` },
  { after: `pay_${LAST_SUFFIX}`, upTo: `ref_${FIRST_SUFFIX}` },
  { after: `ref_${LAST_SUFFIX}`, upTo: null },
];

/** Undefined for what is no id of ours: such a subject bounds no range. */
function suffixOf(subject: string | null): string | undefined {
  if (subject === null || !BOUNDED_BY.some(({ prefix }) => isId(prefix, subject))) return undefined;
  return subject.slice('pay_'.length);
}
