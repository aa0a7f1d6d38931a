/**
 * The short way through the logs that tell of money: what plain payments have moved and held is added up in the database
 * (plain-money-sql.ts). What is left are the positions of the events that have to be read one by one.
 */
import { idOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { ADD_UP_ENTRIES, ADD_UP_HOLDS } from './plain-money-sql.ts';

/** What the plain events of a page add to one account. */
export interface PlainSum {
  readonly tenant: string;
  readonly id: string;
  /** In the ledger's tables; undefined where these were not looked at. */
  readonly key: bigint | undefined;
  readonly postedMinor: bigint;
  readonly heldMinor: bigint;
  readonly postings: number;
  readonly lastSequence: number;
}

export interface PlainMoney {
  readonly sums: readonly PlainSum[];
  /** How many entries are in the sums. */
  readonly entries: number;
  /** Positions of the page's other events. */
  readonly others: readonly bigint[];
}

/** Stretches of the topics that have such events. */
export interface MoneyPage {
  readonly partition: number;
  readonly after: number;
  readonly upTo: number;
  readonly types: readonly string[];
}

const STATEMENTS: ReadonlyMap<string, string> = new Map([
  ['ledger', ADD_UP_ENTRIES],
  ['authorization', ADD_UP_HOLDS],
]);

interface Row {
  tenant: string | null;
  account: string;
  key: bigint | null;
  posted: string;
  held: string;
  postings: number;
  place: number;
  position: bigint | null;
  uuids: Buffer | null;
  suffixes: string | null;
}

/** Undefined where nothing is taken for plain: every event of the page has to be read. */
export async function addUpPlain(
  reader: Reader,
  topic: string,
  { partition, after, upTo, types }: MoneyPage,
): Promise<PlainMoney | undefined> {
  const statement = STATEMENTS.get(topic);
  if (statement === undefined) return undefined;
  const rows = await reader.query<Row>(statement, [partition, after, upTo, types]);
  const [ids] = rows.filter(({ uuids }) => uuids !== null);
  const entries = countSame(ids?.uuids ?? Buffer.alloc(0), ids?.suffixes ?? '');
  if (entries === undefined) return undefined;
  return {
    sums: rows.filter(({ tenant }) => tenant !== null).map(sumOf),
    entries,
    others: rows.flatMap(({ position }) => position ?? []),
  };
}

function sumOf({ tenant, account, key, posted, held, postings, place }: Row): PlainSum {
  return {
    tenant: tenant ?? '',
    id: account,
    key: key ?? undefined,
    postedMinor: BigInt(posted),
    heldMinor: BigInt(held),
    postings,
    lastSequence: place,
  };
}

const UUID_BYTES = 16;
const SUFFIX_LENGTH = 26;

/** Rows have uuids, events the same as text: how many there are of both, undefined unless each is the other. */
function countSame(uuids: Buffer, suffixes: string): number | undefined {
  const count = uuids.length / UUID_BYTES;
  if (suffixes.length !== count * SUFFIX_LENGTH) return undefined;
  const hex = uuids.toString('hex');
  for (let index = 0; index < count; index++) {
    const digits = hex.slice(index * 32, (index + 1) * 32);
    const suffix = suffixes.slice(index * SUFFIX_LENGTH, (index + 1) * SUFFIX_LENGTH);
    if (idOf('pay', dashed(digits)) !== `pay_${suffix}`) return undefined;
  }
  return count;
}

function dashed(digits: string): string {
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}
