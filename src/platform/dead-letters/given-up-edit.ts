/** Whether what was given up may be tried again with other data. Its service says so, outside of any transaction. */
import { isId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { workOf } from './dead-letter-detail.ts';
import type { DeadLetterOrder } from './dead-letter-orders.ts';
import type { GivenUpReads } from './given-up.ts';
import type { DeadLetterReads } from './reads.ts';

/** Before the order is taken; what it is about otherwise, the order's own decision says. */
export async function objectionToEdit(
  { tenant, order }: { readonly tenant: string; readonly order: DeadLetterOrder },
  { reads, works }: { readonly reads: DeadLetterReads; readonly works: readonly GivenUpReads[] },
): Promise<Problem | undefined> {
  if (order.operation !== 'dead_letters.replay' || order.data === undefined) return undefined;
  const { dead_letter_id: id, data } = order;
  const letter = isId('dlt', id) ? await reads.find(tenant, uuidOf(id)) : undefined;
  if (letter === undefined || letter.work === null) return undefined;
  return (
    workOf(letter, works)?.objectionTo(letter, data) ??
    problem('dead_letters.not_editable', 'Nobody knows its service.')
  );
}
