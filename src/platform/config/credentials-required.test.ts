import { expect, test } from 'vitest';
import { refusalToStart } from './credentials-required.ts';

test.each(['127.0.0.1', '127.8.0.1', '::1', 'localhost', 'LOCALHOST'])(
  'the sandbox on %s starts without a key',
  (host) => {
    expect(refusalToStart({ mode: 'sandbox', host }, 0)).toBeUndefined();
  },
);

test.each(['0.0.0.0', '::', '10.0.0.5', 'localhost.example', '127.0.0.1.example'])(
  'the sandbox on %s does not start before a key is usable',
  (host) => {
    expect(refusalToStart({ mode: 'sandbox', host }, 0)).toContain(host);
    expect(refusalToStart({ mode: 'sandbox', host }, 1)).toBeUndefined();
  },
);

test('production does not start before a key is usable, whatever it listens on', () => {
  expect(refusalToStart({ mode: 'production', host: '127.0.0.1' }, 0)).toContain('LASTRO_MODE=production');
  expect(refusalToStart({ mode: 'production', host: '0.0.0.0' }, 1)).toBeUndefined();
});
