import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { READ_MODELS } from '#proof/rebuild.ts';

test('the help of `rebuild` names every model that there is', () => {
  const help = readFileSync(new URL('lastro.ts', import.meta.url), 'utf8');
  expect(help).toContain(`${READ_MODELS.join(', ')}; all by default`);
});
