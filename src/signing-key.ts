/** Where the key that signs checkpoints is kept: a file of the operator's, or one in the data folder, made at the first start. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#kernel/fault.ts';
import type { Settings } from '#platform/config/settings.ts';
import { createFileOnce } from '#platform/processes/create-file-once.ts';
import {
  generateSigningKey,
  parseSigningKey,
  type SigningKey,
} from '#services/integrity/checkpoints/signing-key.ts';

const FILE_NAME = 'signing-key.pem';

type KeySettings = Pick<Settings, 'mode' | 'databaseUrl' | 'signingKeyFile'>;

/** Throws a Fault that says what to do. */
export function ensureSigningKey(settings: KeySettings, dataDir: string): SigningKey {
  const { signingKeyFile } = settings;
  if (signingKeyFile !== undefined) return readKey(signingKeyFile, ', which LASTRO_SIGNING_KEY_FILE names,');
  if (settings.mode === 'production' && settings.databaseUrl !== undefined) throw keyNeeded();
  const file = join(dataDir, FILE_NAME);
  if (!existsSync(file)) createFileOnce(file, generateSigningKey());
  return readKey(file);
}

/** The private key as PEM, if the installation's is on this machine. */
export function findSigningKeyText(settings: KeySettings, dataDir: string): string | undefined {
  const file = settings.signingKeyFile ?? join(dataDir, FILE_NAME);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** On a database that several machines share, a key in the folder of one of them would be lost with it. */
function keyNeeded(): Fault {
  const remedy =
    'make one (openssl genpkey -algorithm ed25519 -out signing-key.pem) and give every process the same, by LASTRO_SIGNING_KEY_FILE';
  return new Fault(
    `LASTRO_MODE=production with LASTRO_DATABASE_URL needs a key to sign checkpoints with; ${remedy}`,
    { transient: false },
  );
}

function readKey(file: string, named = ''): SigningKey {
  try {
    return parseSigningKey(readFileSync(file, 'utf8'));
  } catch (error) {
    const message = `${file}${named} cannot be used: ${(error as Error).message}`;
    throw new Fault(message, { transient: false, cause: error });
  }
}
