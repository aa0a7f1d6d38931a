/** Secrets that come back from whom they were shown. */
import { expect, test } from 'vitest';
import { documentWithoutSecrets, withoutSecrets } from './secrets.ts';

const QUOTED = 'pä"ss\\word';

test.each([
  ['as it is', `said ${QUOTED}.`, 'said [secret].'],
  ['as JSON writes it', JSON.stringify({ said: QUOTED }), '{"said":"[secret]"}'],
  ['as a URL writes it', `/said?${encodeURIComponent(QUOTED)}`, '/said?[secret]'],
])('a secret is taken out of a text %s', (_how, text, left) => {
  expect(withoutSecrets(text, [QUOTED])).toBe(left);
});

test('what is shorter than four characters stays: it is in every text', () => {
  expect(withoutSecrets('abcd abc', ['abc'])).toBe('abcd abc');
});

test('a secret is taken out of a document, and what only looks like it leaves the document whole', () => {
  const document = { 'n-12345': ['key 12345', 12345], open: true };
  expect(documentWithoutSecrets(document, ['12345', 'true', '":tr'])).toEqual({
    'n-[secret]': ['key [secret]', 12345],
    open: true,
  });
});
