/**
 * JSON that somebody gives as evidence, read as strictly as a request (`json-body.ts`): a name that stands twice is one
 * thing to one parser and another to the next, so what is proved would not be what a person reads.
 */
import type { Decision } from '#kernel/decision.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';

export const NOT_JSON = 'it is not JSON';

export type Evidence =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly fault: string };

/** The value, or what is wrong with the text: `it is not JSON`, `/events/0/data stands twice in one object`. */
export function parseEvidence(text: string): Evidence {
  const parsed: Decision<unknown> = parseJsonBody(Buffer.from(text));
  if (parsed.ok) return parsed;
  const [first] = parsed.problem.errors ?? [];
  return { ok: false, fault: first === undefined ? NOT_JSON : `${first.pointer} ${first.detail}` };
}
