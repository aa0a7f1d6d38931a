import type { EpochMs } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '../log/append.ts';
import type { EventDraft } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Transaction } from '../postgres/session.ts';

/** Appends to a topic what a batch has decided, last before the commit (R3); undefined where it has decided no event. */
export function sendDrafts(
  tx: Transaction,
  append: {
    readonly topic: string;
    readonly partitions: number;
    readonly occurredAt: EpochMs;
    readonly drafts: readonly EventDraft[];
  },
): Promise<AppendedSegment[]> | undefined {
  return append.drafts.length === 0 ? undefined : sendAppend(tx, prepareAppend(append));
}

/** The same of a consumer, to the topic that it emits to. */
export function sendEmitted(
  tx: Transaction,
  consumer: { readonly group: string; readonly emits: string | null },
  { log, drafts, now }: { log: EventLog; drafts: readonly EventDraft[]; now: EpochMs },
): Promise<AppendedSegment[]> | undefined {
  if (drafts.length === 0) return undefined;
  const { group, emits: topic } = consumer;
  if (topic === null) throw new InvariantViolation(`group ${group} emits to no topic`);
  return sendDrafts(tx, { topic, partitions: log.partitions, occurredAt: now, drafts });
}
