/** Keeps room ahead in the range tables while a process runs, by a connection of the owner's that lives as long as one turn. */
import { Chore } from '../batch/chore.ts';
import { PrimaryClient } from '../postgres/primary-client.ts';
import { connectionOptions } from '../postgres/session.ts';
import { makeRoom, type Topology } from './installation.ts';

/** One partition that takes everything, at 12 000 events a second, fills a range in six minutes; two are kept ahead. */
const EVERY_MS = 60_000;

export function rangeMaintenance({
  url,
  topology,
  everyMs = EVERY_MS,
  ...options
}: {
  readonly url: string;
  readonly topology: Topology;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
  readonly everyMs?: number;
}): Chore {
  const work = async (): Promise<number> => {
    await makeRoomOnce(url, topology);
    return everyMs;
  };
  return new Chore({ ...options, pauseMs: everyMs, work });
}

/** Bounded as every session (R7): a lock that nobody gives back, or a server that is gone, ends the turn. */
async function makeRoomOnce(url: string, topology: Topology): Promise<void> {
  const owner = { url, name: 'maintenance', role: 'none' };
  const client = new PrimaryClient(connectionOptions(owner, 'reads'));
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  try {
    await makeRoom(client, topology);
  } finally {
    await client.end();
  }
}
