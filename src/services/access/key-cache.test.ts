import { expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import type { ApiKeyId } from '#kernel/ids.ts';
import { mintApiKey } from './api-key.ts';
import { KeyCache } from './key-cache.ts';
import type { StoredKey } from './store.ts';

const START = 1_700_000_000_000;

/** The stored keys as a table in memory, and a clock that a test moves. */
function given() {
  const rows = new Map<ApiKeyId, StoredKey>();
  const reads: number[] = [];
  const noted: ApiKeyId[][] = [];
  let now = START;
  let fault: Fault | undefined;
  const cache = new KeyCache(
    {
      findKeys: async (ids) => {
        reads.push(ids.length);
        if (fault !== undefined) throw fault;
        return ids.flatMap((id) => rows.get(id) ?? []);
      },
      noteUse: async (ids) => {
        if (fault !== undefined) throw fault;
        noted.push([...ids]);
      },
    },
    { now: () => now },
  );
  return {
    cache,
    reads,
    noted,
    pass: (ms: number) => {
      now += ms;
    },
    fail: (next: Fault | undefined) => {
      fault = next;
    },
    insert: (change: Partial<StoredKey> = {}) => {
      const { id, key, hash } = mintApiKey();
      const row: StoredKey = {
        id,
        tenant: 'acme',
        scopes: ['*'],
        hash,
        expiresAt: undefined,
        isRevoked: false,
        lastUsedAt: undefined,
        ...change,
      };
      rows.set(id, row);
      return { id, key };
    },
    revoke: (id: ApiKeyId) => {
      const row = rows.get(id);
      if (row !== undefined) rows.set(id, { ...row, isRevoked: true });
    },
  };
}

test('a known key is answered at once, without a promise and without a query', async () => {
  const { cache, insert, reads } = given();
  const { key, id } = insert();
  expect(await cache.verify(key)).toMatchObject({ tenant: 'acme', keyId: id });
  expect(cache.verify(key)).not.toBeInstanceOf(Promise);
  expect(cache.verify(key)).toMatchObject({ tenant: 'acme', keyId: id });
  expect(reads).toEqual([1]);
});

test('V1: what was read more than a second ago is not believed', async () => {
  const { cache, insert, revoke, pass } = given();
  const { key, id } = insert();
  await cache.verify(key);
  revoke(id);
  pass(1_001);
  expect(await cache.verify(key)).toBeUndefined();
});

test('V1: a clock that was set back makes everything be read again', async () => {
  const { cache, insert, revoke, pass } = given();
  const { key, id } = insert();
  await cache.verify(key);
  revoke(id);
  pass(-60_000);
  expect(await cache.verify(key)).toBeUndefined();
});

test('V2: a key in use never waits: it is read again in the background', async () => {
  const { cache, insert, revoke, reads, pass } = given();
  const { key, id } = insert();
  await cache.verify(key);
  for (let used = 0; used < 5; used += 1) {
    pass(501);
    expect(cache.verify(key)).toMatchObject({ keyId: id });
    await cache.settled();
  }
  expect(reads).toEqual([1, 1, 1, 1, 1, 1]);
  revoke(id);
  pass(501);
  expect(cache.verify(key)).toMatchObject({ keyId: id });
  await cache.settled();
  expect(cache.verify(key)).toBeUndefined();
});

test('V3: strangers that knock together are asked about together, one query at a time', async () => {
  const { cache, reads } = given();
  const answers = await Promise.all(
    Array.from({ length: 1_200 }, async () => cache.verify(mintApiKey().key)),
  );
  expect(answers.every((answer) => answer === undefined)).toBe(true);
  expect(reads).toEqual([1, 500, 500, 199]);
});

test('V3: hundred requests with one key ask once', async () => {
  const { cache, insert, reads } = given();
  const { key } = insert();
  const answers = await Promise.all(Array.from({ length: 100 }, async () => cache.verify(key)));
  expect(answers.every((answer) => answer?.tenant === 'acme')).toBe(true);
  expect(reads).toEqual([1]);
});

test('V3: an id that does not exist is not asked about again within the second, then it is', async () => {
  const { cache, reads, pass } = given();
  const stranger = mintApiKey().key;
  await cache.verify(stranger);
  expect(cache.verify(stranger)).toBeUndefined();
  expect(reads).toEqual([1]);
  pass(1_001);
  await cache.verify(stranger);
  expect(reads).toEqual([1, 1]);
});

test('V3: more waiting requests than are accepted are told to come again', async () => {
  const { cache } = given();
  const waiting = Array.from({ length: 10_001 }, () => cache.verify(mintApiKey().key));
  await expect(waiting.at(-1)).rejects.toMatchObject({ transient: true });
  expect(await waiting[0]).toBeUndefined();
});

test('V4: when the store cannot be asked, a key is believed for its second and then nobody is let in', async () => {
  const { cache, insert, fail, pass } = given();
  const { key, id } = insert();
  await cache.verify(key);
  fail(new Fault('no connection', { transient: true }));
  pass(1_000);
  expect(cache.verify(key)).toMatchObject({ keyId: id });
  await cache.settled();
  pass(1);
  await expect(cache.verify(key)).rejects.toMatchObject({ transient: true });
  fail(undefined);
  expect(await cache.verify(key)).toMatchObject({ keyId: id });
});

test('a known id with a wrong secret is refused without a query', async () => {
  const { cache, insert, reads } = given();
  const { key } = insert();
  await cache.verify(key);
  const wrong = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
  expect(cache.verify(wrong)).toBeUndefined();
  expect(reads).toEqual([1]);
});

test('a key holds until the millisecond of its expiry', async () => {
  const { cache, insert, pass } = given();
  const { key } = insert({ expiresAt: START + 100 });
  expect(await cache.verify(key)).toBeDefined();
  pass(99);
  expect(cache.verify(key)).toBeDefined();
  pass(1);
  expect(cache.verify(key)).toBeUndefined();
});

test('a use is noted at most once a minute, and again after a fault', async () => {
  const { cache, insert, noted, pass, fail } = given();
  const { key, id } = insert();
  await cache.verify(key);
  await cache.verify(key);
  await cache.settled();
  expect(noted).toEqual([[id]]);
  pass(30_000);
  await cache.verify(key);
  await cache.settled();
  pass(60_001);
  fail(undefined);
  await cache.verify(key);
  await cache.settled();
  expect(noted.at(-1)).toEqual([id]);
});

test('a key that was used a moment ago elsewhere is not noted again', async () => {
  const { cache, insert, noted } = given();
  const { key } = insert({ lastUsedAt: START - 1_000 });
  await cache.verify(key);
  await cache.settled();
  expect(noted).toEqual([]);
});
