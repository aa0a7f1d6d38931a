/** A log longer than a test could append. */
import type { Client } from 'pg';

/** So many batches of a partition are in one checkpoint at most: `STRETCH_PAGES_MAX` pages. */
export const STRETCH_MAX = 16_384;

/** Batches of the ledger whose chain is right, as many appends would have left them; there are no events in them. */
export async function chainBatches(owner: Client, count: number): Promise<void> {
  await owner.query(
    `with recursive made(first, chain, root) as (
       select 1::bigint, sha256(log.genesis('ledger', 1) || int8send(1) || int4send(1) || sha256('1')), sha256('1')
       union all
       select first + 1, sha256(chain || int8send(first + 1) || int4send(1) || sha256('1')), root
       from made where first < $1
     ), noted as (insert into ledger.batches select 1, first, 1, root, chain from made returning first, chain)
     update log.heads h set position = first, chain = noted.chain from noted
     where h.topic = 'ledger' and h.partition = 1 and noted.first = $1`,
    [count],
  );
}
