/**
 * The short way for what nearly all payments are: decided in the database, a page in one statement (plain-payment-sql.ts).
 * What is not plain comes out as ranges, in which everything is judged event by event.
 */
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { type Id, idOf, isId, uuidOf } from '#kernel/ids.ts';
import { textArray, uuidArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type IdRange, subjectsOf, uuidBefore, uuidsOf } from './id-ranges.ts';
import { FIND_PLAIN } from './plain-payment-sql.ts';

/** So many that are not plain are judged in one snapshot: larger pages outlive the collector's nursery. */
const JUDGED_MAX = 1_000;

/** If more than so many, and more than one of so many, are not plain, the range is judged as a whole. */
const RANGES_MAX = 64;
const WHOLE_ABOVE = 8;

export interface PlainPayments {
  /** How many of the range. */
  readonly payments: number;
  /** How many of them have a reference. */
  readonly referenced: number;
  /** The rest of the range, as far as there is anything in it, in pieces of about `JUDGED_MAX`. */
  readonly rest: readonly (readonly IdRange[])[];
}

/** A uuid and its text, without prefix. */
interface Key {
  readonly suffix: string;
  readonly uuid: string;
}

interface FoundRow {
  referenced: number;
  others: string[] | null;
  described: string[] | null;
  metadata: string[] | null;
}

/** Both statements of one snapshot: then every event of the second is of a key of the first, or known not to be. */
export async function findPlain(reader: Reader, range: IdRange): Promise<PlainPayments> {
  const keys = await readKeys(reader, range);
  const told = keys.map(({ suffix }) => keyOf(derivedUuid(`pay_${suffix}`, 'payment.completed')));
  const pay = subjectsOf(range, 'pay');
  const ref = subjectsOf(range, 'ref');
  const uuids = uuidsOf(range);
  const [found] = await reader.query<FoundRow>(FIND_PLAIN, [
    textArray(keys.map(({ suffix }) => suffix)),
    uuidArray(keys.map(({ uuid }) => uuid)),
    uuidArray(told.map(({ uuid }) => uuid)),
    textArray(told.map(({ suffix }) => suffix)),
    ...[pay, ref, uuids].flatMap(({ after, upTo }) => [after, upTo]),
  ]);
  const others = suffixesOf(found);
  // What is no id bounds no range, and many small ranges are dearer than the whole.
  const isWhole = others === undefined || others.size > Math.max(RANGES_MAX, keys.length / WHOLE_ABOVE);
  if (found === undefined || isWhole) return nothingPlain(range, keys);
  const plain = keys.filter(({ suffix }) => !others.has(suffix));
  return { payments: plain.length, referenced: found.referenced, rest: piecesOf(range, plain, others) };
}

/** The whole range is judged event by event; `keys`: what it is cut at. */
export function nothingPlain({ after, upTo }: IdRange, keys: readonly Key[] = []): PlainPayments {
  const suffixes = keys.map(({ suffix }) => suffix);
  return { payments: 0, referenced: 0, rest: cut({ after, upTo, suffixes }).map((range) => [range]) };
}

/** The payments that the log has in the range, ascending; by the index on subjects alone. */
async function readKeys(reader: Reader, range: IdRange): Promise<Key[]> {
  const { after, upTo } = subjectsOf(range, 'pay');
  const [row] = await reader.query<{ suffixes: string | null }>(
    `select string_agg(suffix, '') as suffixes
     from (select distinct subject, substr(subject, 5) as suffix from payments.events
           where subject > $1 and subject <= $2 and octet_length(subject) = ${SUBJECT_LENGTH}
           order by subject) as found`,
    [after, upTo],
  );
  const suffixes = row?.suffixes ?? '';
  return Array.from({ length: Math.ceil(suffixes.length / SUFFIX_LENGTH) }, (_, index) =>
    suffixes.slice(index * SUFFIX_LENGTH, (index + 1) * SUFFIX_LENGTH),
  )
    .filter((suffix) => isId('pay', `pay_${suffix}`))
    .map((suffix) => ({ suffix, uuid: uuidOf(`pay_${suffix}` as Id<'pay'>) }));
}

const SUFFIX_LENGTH = 26;
const SUBJECT_LENGTH = 'pay_'.length + SUFFIX_LENGTH;

function keyOf(uuid: string): Key {
  return { uuid, suffix: idOf('ntf', uuid).slice('ntf_'.length) };
}

/** Of what is not plain; undefined if one of them has no id. */
function suffixesOf(found: FoundRow | undefined): ReadonlySet<string> | undefined {
  const names = [...(found?.others ?? []), ...undescribed(found)];
  const suffixes = names.map(suffixOf);
  return suffixes.includes(undefined) ? undefined : new Set(suffixes as string[]);
}

/** A subject, or the uuid of rows that no event tells of. */
function suffixOf(name: string): string | undefined {
  if (isId('pay', name) || isId('ref', name)) return name.slice('pay_'.length);
  return /^[0-9a-f-]{36}$/.test(name) ? idOf('pay', name).slice('pay_'.length) : undefined;
}

/** Payments whose metadata are not what JSON makes of them: text and row may be equal and both wrong. */
function undescribed(found: FoundRow | undefined): string[] {
  const { described, metadata } = found ?? {};
  return (described ?? []).filter((_, index) => !isRendered(metadata?.[index] ?? ''));
}

function isRendered(text: string): boolean {
  if (text === 'null') return false; // What the request did not say is null in the row.
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch (error) {
    // Out of range is what nests too deep to be written.
    if (error instanceof SyntaxError || error instanceof RangeError) return false;
    throw error;
  }
}

/** A range in which something is not plain, and the suffixes of that, ascending. */
interface Gap extends IdRange {
  readonly suffixes: readonly string[];
}

/** The gaps between the plain ones, as far as there is something else in them. `plain` ascends. */
function piecesOf(range: IdRange, plain: readonly Key[], others: ReadonlySet<string>): IdRange[][] {
  const byGap = Map.groupBy([...others].sort(), (suffix) => countBefore(plain, suffix));
  const gaps = [...byGap].map(([index, suffixes]): Gap => {
    const next = plain[index];
    const upTo = next === undefined ? range.upTo : idOf('pay', uuidBefore(next.uuid)).slice('pay_'.length);
    return { after: plain[index - 1]?.suffix ?? range.after, upTo, suffixes };
  });
  return packed(gaps.flatMap(cut));
}

/** How many of the keys are before the suffix. */
function countBefore(keys: readonly Key[], suffix: string): number {
  let low = 0;
  for (let high = keys.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as Key).suffix < suffix) low = middle + 1;
    else high = middle;
  }
  return low;
}

function cut({ after, upTo, suffixes }: Gap): Gap[] {
  if (suffixes.length <= JUDGED_MAX) return [{ after, upTo, suffixes }];
  const end = suffixes[JUDGED_MAX - 1] as string;
  return [
    { after, upTo: end, suffixes: suffixes.slice(0, JUDGED_MAX) },
    ...cut({ after: end, upTo, suffixes: suffixes.slice(JUDGED_MAX) }),
  ];
}

function packed(gaps: readonly Gap[]): Gap[][] {
  const pieces: Gap[][] = [];
  let room = 0;
  for (const gap of gaps) {
    if (room < gap.suffixes.length) {
      pieces.push([]);
      room = JUDGED_MAX;
    }
    pieces.at(-1)?.push(gap);
    room -= gap.suffixes.length;
  }
  return pieces;
}
