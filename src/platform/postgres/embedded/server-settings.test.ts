import { expect, test } from 'vitest';
import { serverSettings, sharedBuffersMib } from './server-settings.ts';

const GIB = 1024 ** 3;

test.each([
  [0.5 * GIB, 128],
  [1 * GIB, 128],
  [4 * GIB, 512],
  [8 * GIB, 512],
  [64 * GIB, 512],
])(
  'of %d bytes of memory the server takes %d MB: an eighth, within 128 and 512 MB',
  (memoryBytes, mebibytes) => {
    expect(sharedBuffersMib(memoryBytes)).toBe(mebibytes);
  },
);

test('whatever else is tuned, a commit is on disk before it is answered', () => {
  expect(serverSettings({ release: 18, walCompression: 'pglz' })).toMatchObject({
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
  });
});

test('a server is given no setting that came after its release', () => {
  const settingsOf = (release: number) => serverSettings({ release, walCompression: 'pglz' });
  expect(settingsOf(18)).toHaveProperty('io_method');
  expect(settingsOf(17)).not.toHaveProperty('io_method');
});
