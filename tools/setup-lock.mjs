import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * The lock of src/platform/processes/folder-lock.ts (Lamport's bakery: draw a ticket, wait for lower tickets
 * of processes that live; a killed process leaves nothing to steal), written for the Node that comes before any
 * package and cannot strip types.
 */
const POLL_MS = 100;

/**
 * @param {string} folder kept outside what is installed
 * @param {{ onWaiting: () => void }} options told once when another process is at work
 * @param {(lendTo: (pid: number) => void) => Promise<void>} work `lendTo` makes a child a holder beside us: it may
 *   outlive us, and the next one has to wait for it too
 */
export async function withSetupLock(folder, { onWaiting }, work) {
  mkdirSync(folder, { recursive: true });
  const holder = `${renderProcess(process.pid)}.${randomUUID()}`;
  const ticket = drawTicket(folder, holder);
  const held = [ticket];
  const lendTo = (pid) =>
    held.push(writeTicket(folder, { ...ticket, holder: `${renderProcess(pid)}.${randomUUID()}` }));
  try {
    while (liveNames(folder).some((name) => name.startsWith('choosing.'))) await delay(POLL_MS);
    if (hasLower(folder, ticket)) onWaiting();
    while (hasLower(folder, ticket)) await delay(POLL_MS);
    await work(lendTo);
  } finally {
    for (const one of held) rmSync(join(folder, nameOf(one)), { force: true });
  }
}

function drawTicket(folder, holder) {
  const choosing = join(folder, `choosing.${holder}`);
  writeFileSync(choosing, '');
  const ticket = { number: Math.max(0, ...listTickets(folder).map((other) => other.number)) + 1, holder };
  writeTicket(folder, ticket);
  rmSync(choosing);
  return ticket;
}

function writeTicket(folder, ticket) {
  writeFileSync(join(folder, nameOf(ticket)), '');
  return ticket;
}

function nameOf({ number, holder }) {
  return `ticket.${number}.${holder}`;
}

function hasLower(folder, own) {
  return listTickets(folder).some(
    (other) => other.number < own.number || (other.number === own.number && other.holder < own.holder),
  );
}

function listTickets(folder) {
  return liveNames(folder).flatMap((name) => {
    const [, number, holder] = /^ticket\.(\d+)\.(.+)$/.exec(name) ?? [];
    return holder === undefined ? [] : [{ number: Number(number), holder }];
  });
}

/** What the dead left is removed on the way. */
function liveNames(folder) {
  return readdirSync(folder).filter((name) => {
    const [, text, pid] = /^(?:choosing|ticket\.\d+)\.((\d+)-[^.]*)\./.exec(name) ?? [];
    if (text === undefined) return false;
    if (renderProcess(Number(pid)) === text) return true;
    rmSync(join(folder, name), { force: true });
    return false;
  });
}

/** `<pid>-<start time>`, empty for a process that has ended. Where there is no /proc the number alone has to do. */
function renderProcess(pid) {
  if (process.platform !== 'linux') return exists(pid) ? `${pid}-` : '';
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // proc(5): state is 0, starttime 19
    return fields[0] === 'Z' ? '' : `${pid}-${fields[19]}`;
  } catch {
    return ''; // ended
  }
}

function exists(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // somebody else's
  }
}
