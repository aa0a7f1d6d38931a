/** Checkpoints of a test's database, made when it says so. */
import { systemClock } from '#kernel/clock.ts';
import { Session } from '#platform/postgres/session.ts';
import { findInstallation } from '#services/integrity/checkpoints/checkpoint-store.ts';
import { ChainMemory } from '#services/integrity/checkpoints/last-checkpoint.ts';
import {
  generateSigningKey,
  parseSigningKey,
  type SigningKey,
} from '#services/integrity/checkpoints/signing-key.ts';
import {
  type CheckpointOutcome,
  type CheckpointTurn,
  takeCheckpoint,
} from '#services/integrity/checkpoints/take-checkpoint.ts';

export function newSigningKey(): SigningKey {
  return parseSigningKey(generateSigningKey());
}

/** Of every installation of a test, as its processes are given the same file. */
const KEY = newSigningKey();

export interface CheckpointDesk {
  readonly key: SigningKey;
  take(turn?: Partial<CheckpointTurn>): Promise<CheckpointOutcome>;
  close(): Promise<void>;
}

export async function openCheckpointDesk(
  url: string,
  { key = KEY, clock = systemClock } = {},
): Promise<CheckpointDesk> {
  const session = new Session({ url, name: 'checkpoints' });
  const maker = {
    session,
    clock,
    key,
    installation: await findInstallation(session),
    memory: new ChainMemory(),
  };
  return {
    key,
    take: ({ dueAgeMs = 0, ...turn } = {}) => takeCheckpoint(maker, { dueAgeMs, ...turn }),
    close: () => session.close(),
  };
}

/** Makes one and leaves nobody connected. */
export async function takeOneCheckpoint(url: string, key?: SigningKey): Promise<CheckpointOutcome> {
  const desk = await openCheckpointDesk(url, key === undefined ? {} : { key });
  try {
    return await desk.take();
  } finally {
    await desk.close();
  }
}
