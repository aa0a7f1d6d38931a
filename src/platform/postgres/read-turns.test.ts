import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ReadTurns } from './read-turns.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function givenTurns(connections: number) {
  const turns = new ReadTurns(connections);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const read = (tenant: string | undefined, name: string) =>
    turns.inTurn(tenant, () => {
      begun.push(name);
      return new Promise<string>((resolve) => {
        ends.set(name, () => resolve(name));
      });
    });
  const end = async (name: string) => {
    ends.get(name)?.();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { read, end, begun, turns };
}

const names = (tenant: string, count: number) => Array.from({ length: count }, (_, at) => `${tenant}${at}`);

test('T1: a quarter of the connections is there for the others, however many reads of one tenant wait', () => {
  const { read, begun } = givenTurns(8);
  for (const name of names('a', 100)) void read('a', name);
  expect(begun).toEqual(names('a', 6));
  for (const name of names('b', 3)) void read('b', name);
  expect(begun.slice(6)).toEqual(names('b', 2));
});

test('T1: no more read at a time than there are connections, and one connection is everybody’s', async () => {
  const { read, end, begun } = givenTurns(1);
  void read('a', 'a0');
  void read('b', 'b0');
  expect(begun).toEqual(['a0']);
  await end('a0');
  expect(begun).toEqual(['a0', 'b0']);
});

test('T2: tenants take turns, a read each; of one tenant’s who came first goes first', async () => {
  const { read, end, begun } = givenTurns(3);
  for (const name of ['b0', 'd0', 'e0']) void read(name.slice(0, 1), name);
  for (const name of ['a0', 'a1', 'a2', 'c0', 'c1']) void read(name.slice(0, 1), name);
  for (const name of ['b0', 'a0', 'c0', 'a1', 'c1']) {
    await end(name);
  }
  expect(begun.slice(3)).toEqual(['a0', 'c0', 'a1', 'c1', 'a2']);
});

test('what the product reads for itself takes its turns, and has no share', () => {
  const { read, begun } = givenTurns(4);
  for (const name of names('own', 5)) void read(undefined, name);
  expect(begun).toEqual(names('own', 4));
});

test('a read that fails gives its turn back', async () => {
  const { turns, read, begun } = givenTurns(1);
  await expect(turns.inTurn('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  void read('a', 'a1');
  expect(begun).toEqual(['a1']);
});

test('T3: who has waited for five seconds is told so, and takes no turn any more', async () => {
  const { read, end, begun } = givenTurns(2);
  void read('a', 'a0');
  const late = read('a', 'a1').catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await late).toMatchObject({ name: 'Fault', transient: true });
  void read('a', 'a2');
  await end('a0');
  expect(begun).toEqual(['a0', 'a2']);
});

test('T3: a thousand of one tenant wait; one more is refused at once, and another tenant’s is not', async () => {
  const { read, begun } = givenTurns(2);
  const waiting = names('a', 1001).map((name) => read('a', name).catch(() => 'refused'));
  expect(await read('a', 'more').catch((error: unknown) => error)).toMatchObject({ transient: true });
  void read('b', 'b0');
  expect(begun).toEqual(['a0', 'b0']);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await Promise.all(waiting.slice(1))).toEqual(names('a', 1000).map(() => 'refused'));
});
