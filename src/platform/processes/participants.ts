import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, ownIdentity, parseIdentity, renderIdentity } from './process-identity.ts';

/**
 * Who uses the server: one empty file per user, named after its process, so that it can never be half written
 * and a killed process is told from a living one. Called under the folder lock.
 */
export function joinParticipants(folder: string): { leave(): void } {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${renderIdentity(ownIdentity())}.${randomUUID()}`);
  writeFileSync(path, '');
  return { leave: () => rmSync(path, { force: true }) };
}

/** How many live users there are; the files of the dead are removed on the way. */
export function countParticipants(folder: string): number {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder).filter((name) => {
    const identity = parseIdentity(name.slice(0, name.lastIndexOf('.')));
    const alive = identity !== undefined && isAlive(identity);
    if (!alive) rmSync(join(folder, name), { force: true });
    return alive;
  }).length;
}
