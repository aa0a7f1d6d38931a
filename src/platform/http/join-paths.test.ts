import { expect, test } from 'vitest';
import { joinPaths } from './join-paths.ts';

const named = (name: string) => ({ in: 'path', name });

test('paths that differ only in the names of their parameters are one, under the names of the first', () => {
  const post = { parameters: [named('connector'), { in: 'header', name: 'id' }] };
  const get = { parameters: [named('id'), { in: 'query', name: 'id' }] };
  const replay = { post: { parameters: [named('id')] } };
  const document = { paths: { '/a/{connector}': { post }, '/a/{id}': { get }, '/a/{id}/replay': replay } };
  joinPaths(document);
  expect(document.paths).toEqual({
    '/a/{connector}': {
      post,
      get: { parameters: [named('connector'), { in: 'query', name: 'id' }] },
    },
    '/a/{id}/replay': replay,
  });
});
