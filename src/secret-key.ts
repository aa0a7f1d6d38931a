/** Where the key that seals secrets comes from: the environment, or a file in the data folder, made at the first start. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import type { Settings } from '#platform/config/settings.ts';
import { createFileOnce } from '#platform/processes/create-file-once.ts';
import { generateSecretKey, requireSecretKeys, type SecretKeys } from '#platform/vault/secret-key.ts';
import type { Vault } from '#platform/vault/vault.ts';

const FILE_NAME = 'secret-key';

/** Throws a Fault that says what to do. */
export function ensureSecretKeys(
  settings: Pick<Settings, 'mode' | 'databaseUrl' | 'secretKey'>,
  dataDir: string,
): SecretKeys {
  if (settings.secretKey !== undefined) return requireSecretKeys(settings.secretKey);
  if (settings.mode === 'production' && settings.databaseUrl !== undefined) throw keyNeeded();
  const file = join(dataDir, FILE_NAME);
  if (!existsSync(file)) createFileOnce(file, `${generateSecretKey()}\n`);
  return readKeys(file);
}

/**
 * A process with another key would start, and then neither send a webhook of an endpoint that is there nor make one that the others
 * can send to. Throws a Fault that says what to do.
 */
export async function refuseOtherKeys(vault: Pick<Vault, 'listMissingKeys'>): Promise<void> {
  const missing = await vault.listMissingKeys();
  const [first] = missing;
  if (first === undefined) return;
  const sealed = missing.map(({ keyId, secrets }) => `${secrets} with the key ${keyId}`).join(', ');
  throw new Fault(
    `of this installation's secrets ${sealed} are sealed, which this process was not given: give every process the same ` +
      `LASTRO_SECRET_KEY (without it, it is the file ${FILE_NAME} of the data folder where they were made), and leave an old key ` +
      `behind the new one. If it is lost, so are they: delete from vault.secrets where key_id = '${first.keyId}', then put them anew ` +
      'and rotate those of webhook endpoints',
    { transient: false },
  );
}

function readKeys(file: string): SecretKeys {
  try {
    return requireSecretKeys(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Fault(`${file} cannot be used: ${(error as Error).message}`, {
      transient: false,
      cause: error,
    });
  }
}

/** On a database that several machines share, a key in the folder of one of them would be lost with it. */
function keyNeeded(): Fault {
  const remedy = 'make one (openssl rand -base64 32) and give every process the same, by LASTRO_SECRET_KEY';
  return new Fault(
    `LASTRO_MODE=production with LASTRO_DATABASE_URL needs a key to encrypt secrets with; ${remedy}`,
    { transient: false },
  );
}
