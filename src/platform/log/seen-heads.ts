/**
 * What this process has seen committed holds for every server that it connects to: one whose logs end before is a database
 * that was put back, or a standby that took over without the last commits. There the process would go on in events that are
 * gone, pass over those that come in their places, and believe in accounts that were never opened. So it works there no more,
 * whatever the cause, until it is started anew or the server has them again (docs/adr/0028).
 */
import type pg from 'pg';
import { DatabaseFault } from '../postgres/faults.ts';
import { type EventLog, type HeadRow, SELECT_HEADS } from './event-log.ts';

export class SeenHeads {
  #log: EventLog | undefined;
  #lack: string | undefined;

  /** Before that nothing is known, and every server will do. */
  knownBy(log: EventLog): void {
    this.#log = log;
  }

  /** What the server that was connected to last lacks, fit to be shown; undefined if nothing. */
  get lack(): string | undefined {
    return this.#lack;
  }

  /** Along the primary key, some hundred rows that are always cached; no locks. */
  async inspect(client: pg.Client): Promise<void> {
    // Before it is asked: what is committed meanwhile the answer need not have.
    const seen = this.#log?.heads();
    if (seen === undefined) return;
    const { rows } = await client.query<HeadRow>(SELECT_HEADS);
    this.#lack = lackAmong(rows, seen);
    if (this.#lack === undefined) return;
    throw new DatabaseFault(this.#lack, { transient: true, state: undefined, cause: undefined });
  }
}

function lackAmong(
  rows: readonly HeadRow[],
  seen: ReadonlyMap<string, readonly number[]>,
): string | undefined {
  const behind = rows.find(
    ({ topic, partition, position }) => Number(position) < (seen.get(topic)?.[partition] ?? 0),
  );
  if (behind === undefined) return undefined;
  const { topic, partition, position } = behind;
  return (
    `the database lacks commits that this process has seen (${topic}/${partition} ends at ${position}, ` +
    `and has ended at ${seen.get(topic)?.[partition]}): it was put back, or a failover has lost them; start every process anew`
  );
}
