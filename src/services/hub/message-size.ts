import { type Problem, problem } from '#kernel/problem.ts';
import { MESSAGE_MAX_BYTES } from './evaluation/job.ts';

export function tooLarge(message: string | Buffer): Problem | undefined {
  const bytes = Buffer.byteLength(message);
  if (bytes <= MESSAGE_MAX_BYTES) return undefined;
  const detail = `The message has ${bytes} bytes; at most ${MESSAGE_MAX_BYTES} are taken.`;
  return problem('hub.message_too_large', detail);
}
