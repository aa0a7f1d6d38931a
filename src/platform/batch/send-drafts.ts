import type { EpochMs } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '../log/append.ts';
import type { EventDraft } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Transaction } from '../postgres/session.ts';

/** Appends what a consumer has decided, last before the commit (R3); undefined where it has decided no event. */
export function sendDrafts(
  tx: Transaction,
  consumer: { readonly group: string; readonly emits: string | null },
  { log, drafts, now }: { log: EventLog; drafts: readonly EventDraft[]; now: EpochMs },
): Promise<AppendedSegment[]> | undefined {
  if (drafts.length === 0) return undefined;
  if (consumer.emits === null) throw new InvariantViolation(`group ${consumer.group} emits to no topic`);
  return sendAppend(
    tx,
    prepareAppend({ topic: consumer.emits, partitions: log.partitions, occurredAt: now, drafts }),
  );
}
