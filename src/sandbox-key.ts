import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from '#platform/processes/make-folders.ts';
import type { Access } from '#services/access/contract.ts';

/** The sandbox's own key, in a file that only its user can read; made anew when it works no more. */
export async function ensureSandboxKey(access: Access, dataDir: string): Promise<string> {
  const file = join(dataDir, 'sandbox-key');
  const kept = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
  const key = await access.ensureSandbox(kept);
  if (key !== kept) {
    makeFolders(dataDir);
    writeFileSync(file, `${key}\n`, { mode: 0o600 });
  }
  return key;
}
