/** What somebody kept elsewhere and gives to a proof: public keys, and copies of checkpoints. */
import { readFile } from 'node:fs/promises';
import { parseKeptCheckpoints } from '#proof/kept-checkpoints.ts';
import { type PublicKeys, parsePublicKeys } from '#proof/public-keys.ts';
import type { KeptCheckpoint } from '#proof/verify-checkpoints.ts';

const KEYS_TIMEOUT_MS = 10_000;

/** `place`: a file, or a URL. */
export async function keysAt(place: string): Promise<PublicKeys> {
  try {
    const isUrl = /^https?:\/\//.test(place);
    return parsePublicKeys(isUrl ? await fetchText(place) : await readFile(place, 'utf8'));
  } catch (error) {
    const message = `the public keys of ${place} cannot be used: ${(error as Error).message}`;
    throw new Error(message, { cause: error });
  }
}

async function fetchText(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(KEYS_TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
  return answer.text();
}

/** A file with what `GET /v1/integrity/checkpoints` answered, or one checkpoint of it. */
export async function checkpointsAt(file: string): Promise<readonly KeptCheckpoint[]> {
  const checkpoints = parseKeptCheckpoints(await readFile(file, 'utf8'));
  if (typeof checkpoints === 'string') throw new Error(`${file} cannot be used: ${checkpoints}`);
  return checkpoints;
}
