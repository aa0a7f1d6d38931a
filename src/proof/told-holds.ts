/** What is held of an account, by those of its open holds that the logs tell: a row that nobody placed holds nothing. */
import { idOf, uuidOf } from '#kernel/ids.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { listOpenHolds } from '#services/ledger/contract.ts';
import { expectedCardHold } from './card-events.ts';
import { readTimelines } from './compare-card-events.ts';
import { expectedHold } from './expected-rows.ts';
import { readTimelinesOf } from './saga-timelines.ts';

/** What a balance of ordinary use never has open at once; the events of each are looked up. */
const HOLDS_MAX = 10_000;

/**
 * By how much more is held than the account's open holds add up to that the logs tell, at the reader's one instant.
 * Undefined without an account; `too many` to be looked up.
 */
export async function measureHeldExcess(
  reader: Reader,
  account: { readonly tenant: string; readonly id: string },
): Promise<bigint | 'too many' | undefined> {
  const held = await listOpenHolds(reader, account, HOLDS_MAX + 1);
  if (held === undefined || held.holds.length > HOLDS_MAX) return held && 'too many';
  const told = await readTold(reader, held.holds);
  const own = told.filter(
    ({ tenant, account_id, state }) =>
      tenant === account.tenant && account_id === account.id && state === 'open',
  );
  return own.reduce((excess, { amount }) => excess - BigInt(amount ?? 0), held.heldMinor);
}

/** The holds as the logs have them. A hold bears the uuid of what it is for. */
async function readTold(reader: Reader, uuids: readonly string[]): Promise<readonly ExpectedRow[]> {
  const sagas = uuids.flatMap((uuid) => [idOf('pay', uuid), idOf('ref', uuid)]);
  const cards = uuids.map((uuid) => idOf('ctx', uuid));
  const [ofSagas, ofCards] = await Promise.all([
    readTimelinesOf(reader, sagas, ['authorization', 'ledger']),
    readTimelines(reader, cards),
  ]);
  const told = [
    ...ofSagas.map(expectedHold),
    ...cards.map((card) => expectedCardHold(uuidOf(card), ofCards.get(card) ?? [])),
  ];
  return told.filter((row) => row !== undefined);
}
