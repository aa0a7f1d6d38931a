/** `lastro verify-receipt`: checks a receipt with nothing but the public key; exit status 1 if it proves nothing, 2 if it could not be checked. */
import { readFile } from 'node:fs/promises';
import { type PublicKeys, parsePublicKeys } from '#proof/public-keys.ts';
import { type ReceiptVerdict, verifyReceipt } from '#proof/verify-receipt.ts';
import { findSigningKeyText } from '../signing-key.ts';
import { failWithoutVerdict, readEnvironment, say } from './environment.ts';
import { keysAt } from './kept-evidence.ts';

export async function verifyReceiptCommand(file: string, options: { keys?: string }): Promise<void> {
  try {
    const keys = options.keys === undefined ? ownKeys() : await keysAt(options.keys);
    const verdict = verifyReceipt(await readFile(file, 'utf8'), keys);
    if (verdict.ok) console.log(renderProof(verdict));
    else say(`NOT PROVED: ${verdict.fault}`);
    process.exitCode = verdict.ok ? 0 : 1;
  } catch (error) {
    failWithoutVerdict(error);
  }
}

/** Of the installation on this machine: whoever has its private key has its public one. */
function ownKeys(): PublicKeys {
  const { settings, dataDir } = readEnvironment();
  const pem = findSigningKeyText(settings, dataDir);
  if (pem === undefined) {
    const advice =
      'give the public key by --keys: a copy of https://…/.well-known/lastro-keys that you trust';
    throw new Error(`there is no signing key in ${dataDir}; ${advice}`);
  }
  return parsePublicKeys(pem);
}

function renderProof(proof: Extract<ReceiptVerdict, { ok: true }>): string {
  const events = proof.events.map(
    ({ identity, type, occurredAt, checkpoint, verified }) =>
      `  ${occurredAt}  ${type}  ${identity}  checkpoint ${checkpoint}${verified ? ', verified by then' : ''}`,
  );
  const checkpoints = proof.checkpoints.map(
    ({ number, at, kid }) => `  checkpoint ${number} of ${at}, signed by ${kid}`,
  );
  return [
    `PROVED: ${proof.events.length} events of ${proof.subject} (tenant ${proof.tenant}) were in the log of installation ${proof.installation}`,
    ...events,
    ...checkpoints,
    'Each event stands where it says, unchanged. That there are no later ones is not proved.',
  ].join('\n');
}
