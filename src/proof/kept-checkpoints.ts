import { parseEvidence } from './evidence-json.ts';
import type { KeptCheckpoint } from './verify-checkpoints.ts';

/**
 * What `GET /v1/integrity/checkpoints` answered, or one checkpoint of it; or what is wrong with the text. An empty page is
 * wrong too: nothing would be compared, and the report would read as if it had been.
 */
export function parseKeptCheckpoints(text: string): readonly KeptCheckpoint[] | string {
  const evidence = parseEvidence(text);
  if (!evidence.ok) return evidence.fault;
  const { data } = (evidence.value ?? {}) as { data?: unknown };
  const listed: unknown[] = Array.isArray(data) ? data : [evidence.value];
  return listed.length > 0 && listed.every(isCheckpoint)
    ? listed
    : 'it holds no checkpoints as the API gives them';
}

function isCheckpoint(value: unknown): value is KeptCheckpoint {
  const { number, body } = (value ?? {}) as Partial<Record<keyof KeptCheckpoint, unknown>>;
  return Number.isSafeInteger(number) && Number(number) > 0 && typeof body === 'string';
}
