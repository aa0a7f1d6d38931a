/** One payment or refund, proved as it is now: its saga, and everything that the services keep of it. */

import type { PaymentId, RefundId } from '#kernel/ids.ts';
import { DIGEST_BYTES, merkleRoot } from '#kernel/merkle.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { rangeOf } from './id-ranges.ts';
import { schemaOf } from './installation.ts';
import type { Lane } from './lane.ts';
import { LEAF_SQL } from './leaf-sql.ts';
import { chainOf, genesisOf } from './partition-chain.ts';
import { Phase } from './progress.ts';
import { type CheckName, type Finding, newChecks } from './report.ts';
import { SAGA_TOPICS } from './saga-timelines.ts';
import { verifyRange } from './verify-payments.ts';

export interface CheckedFinding extends Finding {
  readonly check: CheckName;
}

/** What is wrong with it; nothing, if it is under way. */
export async function inspect(lane: Lane, subject: PaymentId | RefundId): Promise<CheckedFinding[]> {
  const checks = newChecks();
  const phase = new Phase({ name: 'inspection', total: 0, onProgress: () => undefined, signal: undefined });
  await verifyRange(lane, rangeOf(subject), { checks, phase });
  return Object.values(checks).flatMap((check) => {
    const { name, findings } = check.report();
    return findings
      .filter((finding) => finding.subject === subject)
      .map((finding) => ({ ...finding, check: name }));
  });
}

/** Why its events cannot be believed: the first batch of them that does not hash to its root, or is not of its chain. */
export async function findBrokenBatch(
  reader: Reader,
  subject: PaymentId | RefundId,
): Promise<string | undefined> {
  for (const topic of SAGA_TOPICS) {
    const broken = (await readBatchesOf(reader, topic, subject)).find((batch) => !isSound(topic, batch));
    if (broken !== undefined) return `${topic}/${broken.partition}/${broken.first}`;
  }
  return undefined;
}

interface BatchRow {
  partition: number;
  first: bigint;
  count: number;
  root: Buffer;
  chain: Buffer;
  before: Buffer | null;
  leaves: Buffer | null;
}

/** The batches that the subject's events are in, each with the leaves of all its events. By the indexes of the log. */
function readBatchesOf(reader: Reader, topic: string, subject: string): Promise<BatchRow[]> {
  const schema = schemaOf(topic);
  return reader.query<BatchRow>(
    `select b.partition, b.first, b.count, b.root, b.chain, previous.chain as before, hashed.leaves
     from (
       select distinct e.partition, found.first
       from ${schema}.events e
       cross join lateral (
         select first from ${schema}.batches b
         where b.partition = e.partition and b.first <= e.position order by first desc limit 1
       ) found
       where e.subject = $1
     ) own
     join ${schema}.batches b on b.partition = own.partition and b.first = own.first
     left join lateral (
       select chain from ${schema}.batches p
       where p.partition = b.partition and p.first < b.first order by first desc limit 1
     ) previous on true
     left join lateral (
       select string_agg(leaf, ''::bytea order by position) as leaves
       from (select position, ${LEAF_SQL} as leaf from ${schema}.events
             where partition = b.partition and position between b.first and b.first + b.count - 1) as l
     ) hashed on true`,
    [subject],
  );
}

function isSound(topic: string, { partition, first, count, root, chain, before, leaves }: BatchRow): boolean {
  if (leaves?.length !== count * DIGEST_BYTES) return false;
  const own = Array.from({ length: count }, (_, index) =>
    leaves.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
  );
  const previous = before ?? genesisOf({ topic, partition });
  const linked = chainOf(previous, { first: Number(first), count, root, chain });
  return merkleRoot(own).equals(root) && linked.equals(chain);
}
