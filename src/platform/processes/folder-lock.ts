import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import { makeFolders } from './make-folders.ts';
import { isAlive, ownIdentity, parseIdentity, renderIdentity } from './process-identity.ts';
import { waitUntil } from './wait-until.ts';

/**
 * A lock between processes of one machine, kept in a folder: Lamport's bakery algorithm, one file per ticket.
 *
 * A lock *file* that dies with its owner has to be stolen, and two thieves can steal from each other. Here nobody
 * steals: everyone draws a ticket and waits for lower tickets of processes that live. It refuses to serve
 * processes that cannot see each other (two containers on one volume).
 *
 * F1: at most one live process is between `acquire` and `release`.
 * F2: a process killed anywhere leaves nothing that others wait for.
 * F3: tickets are read only after nobody who could still draw a lower one is choosing.
 */
interface Waiting {
  readonly number: number;
  readonly holder: string;
}

export interface LockOptions {
  /** How long to wait for the others, ms. */
  readonly timeoutMs: number;
}

export async function withFolderLock<Result>(
  folder: string,
  { timeoutMs }: LockOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  makeFolders(folder);
  const holder = `${renderIdentity(ownIdentity())}.${randomUUID()}`;
  const ticket = drawTicket(folder, holder);
  try {
    await waitForTurn(folder, ticket, timeoutMs);
    return await work();
  } finally {
    rmSync(ticketPath(folder, ticket), { force: true });
  }
}

function drawTicket(folder: string, holder: string): Waiting {
  const choosing = join(folder, `choosing.${holder}`);
  writeFileSync(choosing, '');
  const ticket = { number: Math.max(0, ...listTickets(folder).map((other) => other.number)) + 1, holder };
  writeFileSync(ticketPath(folder, ticket), '');
  rmSync(choosing);
  return ticket;
}

async function waitForTurn(folder: string, ticket: Waiting, timeoutMs: number): Promise<void> {
  const settled = await waitUntil(() => !someoneIsChoosing(folder), timeoutMs); // F3
  const first = settled && (await waitUntil(() => lowerTickets(folder, ticket).length === 0, timeoutMs));
  if (first) return;
  const ahead = lowerTickets(folder, ticket).map((other) => other.holder.split('-')[0]);
  throw new Fault(`waited ${timeoutMs} ms for process ${ahead.join(', ')}, which holds ${folder}`, {
    transient: true,
  });
}

function someoneIsChoosing(folder: string): boolean {
  return liveNames(folder).some((name) => name.startsWith('choosing.'));
}

function lowerTickets(folder: string, own: Waiting): Waiting[] {
  return listTickets(folder).filter(
    (other) => other.number < own.number || (other.number === own.number && other.holder < own.holder),
  );
}

function listTickets(folder: string): Waiting[] {
  return liveNames(folder).flatMap((name) => {
    const [, number, holder] = /^ticket\.(\d+)\.(.+)$/.exec(name) ?? [];
    return number && holder ? [{ number: Number(number), holder }] : [];
  });
}

/** Names whose process lives; what the dead left is removed on the way (F2). */
function liveNames(folder: string): string[] {
  return readdirSync(folder).filter((name) => {
    const holder = /^(?:choosing|ticket\.\d+)\.(.+)\.[0-9a-f-]+$/.exec(name)?.[1];
    const identity = holder === undefined ? undefined : parseIdentity(holder);
    if (identity === undefined) return false;
    if (isAlive(identity)) return true;
    rmSync(join(folder, name), { force: true });
    return false;
  });
}

function ticketPath(folder: string, { number, holder }: Waiting): string {
  return join(folder, `ticket.${number}.${holder}`);
}
