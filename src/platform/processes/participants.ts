import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from './make-folders.ts';
import { isAlive, ownIdentity, parseIdentity, renderIdentity } from './process-identity.ts';

/**
 * Who uses the server: one file per user, named after its process, so that a killed process is told from a living one.
 * Called under the folder lock.
 *
 * @param note the file's content, for the server to read; a single short line, which a reader sees whole or not at all
 */
export function joinParticipants(folder: string, note = ''): { leave(): void } {
  makeFolders(folder);
  const path = join(folder, `${renderIdentity(ownIdentity())}.${randomUUID()}`);
  writeFileSync(path, note);
  return { leave: () => rmSync(path, { force: true }) };
}

/** How many live users there are; the files of the dead are removed on the way. */
export function countParticipants(folder: string): number {
  makeFolders(folder);
  return readdirSync(folder).filter((name) => {
    const identity = parseIdentity(name.slice(0, name.lastIndexOf('.')));
    const alive = identity !== undefined && isAlive(identity);
    if (!alive) rmSync(join(folder, name), { force: true });
    return alive;
  }).length;
}
