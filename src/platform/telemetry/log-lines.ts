import { type DestinationStream, destination } from 'pino';

/** Characters. What a reader that stands still is kept, some ten thousand lines; later ones are dropped. */
const MAX_WAITING_LENGTH = 4 * 1024 * 1024;

/**
 * Standard output as the place of the log. It may be a disk that is full or a terminal that was closed: the program goes on,
 * and writes again when it can. Left alone, the stream would end the process at the first error, and at the exit wait for
 * ever for the lines that are left.
 */
export function standardOutput(): DestinationStream {
  const lines = destination({ dest: 1, sync: false, maxLength: MAX_WAITING_LENGTH });
  const flush = lines.flushSync.bind(lines);
  let isStuck = false;
  lines.on('error', () => {
    isStuck = true;
  });
  lines.on('write', () => {
    isStuck = false;
  });
  lines.flushSync = () => {
    if (!isStuck) flush();
  };
  return lines;
}
