/** What callers keep with what they make, an account or a payment: JSON of their own, given back as it is. */
import { Type } from 'typebox';
import { type Problem, problem } from '#kernel/problem.ts';
import type { JsonObject } from '../log/event.ts';

/** Characters of JSON: it stands in the resource, its event, its stored answer and its stored request, hundreds to a batch. */
const METADATA_MAX = 16_384;

export const Metadata = Type.Unsafe<JsonObject>({
  type: 'object',
  additionalProperties: true,
  maxProperties: 50,
  description: `Kept and given back as it is; at most ${METADATA_MAX} characters of JSON. A name has no quote, backslash or control character.`,
});

/** What a schema cannot say of it. */
export function metadataTooLarge(metadata: JsonObject | null | undefined): Problem | undefined {
  if (metadata === undefined || JSON.stringify(metadata).length <= METADATA_MAX) return undefined;
  const detail = `has more than ${METADATA_MAX} characters`;
  return problem('request.invalid', `/metadata ${detail}.`, {
    errors: [{ pointer: '/metadata', code: 'too_long', detail }],
  });
}
