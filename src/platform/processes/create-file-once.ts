import { randomUUID } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolders } from './make-folders.ts';
import { syncFolder } from './replace-file.ts';

/**
 * For its owner alone (0600), durable, and whole as soon as its name is there. Of two processes that create it at once
 * the first one's stays: a link never replaces what is there.
 */
export function createFileOnce(file: string, content: string): void {
  const folder = dirname(file);
  makeFolders(folder);
  const unfinished = `${file}.${randomUUID()}`;
  writeFileSync(unfinished, content, { mode: 0o600, flush: true });
  try {
    linkSync(unfinished, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(unfinished);
  }
  syncFolder(folder);
}
