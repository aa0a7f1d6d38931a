/** Where one process runs all services of the short cut, their workers share the partitions with it (docs/adr/0011). */
import { PassageShares } from '#platform/batch/passage-shares.ts';
import { straightThrough } from '#services/authorization/straight-through.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import { postFor } from '#services/ledger/post-order.ts';
import type { LedgerStore } from '#services/ledger/store.ts';
import { answer, partiesOf } from '#services/validation/answer-request.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import type { LeasedWorker } from './leased-worker.ts';
import { CRITICAL_GROUPS } from './topology.ts';

type StartPassage = (
  passage: ReturnType<typeof straightThrough>,
  onYield: (partitions: readonly number[], forMs: number) => void,
) => { own(partitions: readonly number[]): void };

/** The workers as the leases are to see them. */
export function sharedWithPassage(
  workers: readonly LeasedWorker[],
  ledger: LedgerStore,
  start: StartPassage,
): readonly LeasedWorker[] {
  const stages = new Map(
    workers.filter(({ group }) => CRITICAL_GROUPS.includes(group)).map((worker) => [worker.group, worker]),
  );
  if (stages.size < CRITICAL_GROUPS.length) return workers;
  const passage = start(passageOf(ledger), (partitions, forMs) => shares.yield(partitions, forMs));
  const shares: PassageShares = new PassageShares({ groups: CRITICAL_GROUPS, stages, passage });
  return workers.map((worker) =>
    stages.has(worker.group)
      ? { group: worker.group, own: (partitions) => shares.own(worker.group, partitions) }
      : worker,
  );
}

function passageOf(ledger: LedgerStore) {
  return straightThrough(ledger, {
    validation: { handles: validationConsumer(ledger).handles, partiesOf, answer },
    ledger: { handles: ledgerConsumer(ledger).handles, post: postFor },
  });
}
