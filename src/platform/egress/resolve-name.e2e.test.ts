/** Names as a name server over a real socket answers them, and one that does not. */
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Egress } from './egress.ts';
import { resolveByDns } from './resolve-name.ts';

const opened: Socket[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

const HEADER_BYTES = 12;
const TYPE_A = 1;
const RESPONSE = 0x8180;
const REFUSED = 5;

/** A name server: of `silent…` nothing is heard, `four…` has no address of IPv6, and `gone…` is refused. */
async function nameServer(): Promise<string> {
  const socket = createSocket('udp4');
  opened.push(socket);
  socket.on('message', (query, { port, address }) => {
    const { name, end } = nameIn(query);
    if (name.startsWith('silent')) return;
    const isA = query.readUInt16BE(end) === TYPE_A;
    if (name.startsWith('half') && !isA) return;
    const answers = name.startsWith('gone') || (name.startsWith('four') && !isA) ? [] : [recordOf(isA)];
    const header = Buffer.alloc(HEADER_BYTES);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(RESPONSE + (name.startsWith('gone') ? REFUSED : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    const question = query.subarray(HEADER_BYTES, end + 4);
    socket.send(Buffer.concat([header, question, ...answers]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return `127.0.0.1:${socket.address().port}`;
}

function nameIn(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

/** Of the name in the question, for no time at all. */
function recordOf(isA: boolean): Buffer {
  const data = isA ? Buffer.from([1, 1, 1, 1]) : Buffer.from('26064700000000000000000000001111', 'hex');
  const head = Buffer.from([0xc0, HEADER_BYTES, 0, isA ? TYPE_A : 28, 0, 1, 0, 0, 0, 0, 0, data.length]);
  return Buffer.concat([head, data]);
}

/** Each thread waits for somebody to write into a pipe. */
async function withBusyThreads(work: () => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lastro-pipe-'));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const readers = Array.from({ length: THREADS }, () => open(pipe, 'r'));
  try {
    await work();
  } finally {
    const writer = openSync(pipe, 'r+');
    for (const each of await Promise.all(readers)) await each.close();
    closeSync(writer);
    rmSync(folder, { recursive: true });
  }
}

/** Node's own number, unless somebody has set another. */
const THREADS = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);

const FOUR = { address: '1.1.1.1', family: 4 };
const SIX = { address: '2606:4700::1111', family: 6 };

test('E5: a name is resolved while others wait for a server that does not answer', async () => {
  const resolve = resolveByDns([await nameServer()]);
  const settled: string[] = [];
  const silent = Array.from({ length: 50 }, (_, index) =>
    resolve(`silent${index}.test`).catch(() => settled.push('silent')),
  );
  expect(await resolve('good.test')).toEqual([FOUR, SIX]);
  expect(settled).toEqual([]);
  await Promise.all(silent);
  expect(settled).toHaveLength(50);
});

test('E5: a name is resolved while every thread of the process is busy', async () => {
  await withBusyThreads(async () => {
    expect(await resolveByDns([await nameServer()])('good.test')).toEqual([FOUR, SIX]);
  });
});

test('E5: so are the names of targets outside the sandbox', async () => {
  const egress = new Egress({ reach: 'public' });
  await withBusyThreads(async () => {
    const request = { method: 'POST', headers: {}, timeoutMs: 10_000 } as const;
    // Whatever the machine's name server says of it, it has been asked.
    const outcome = await egress.send({ ...request, url: 'https://name.invalid/' });
    expect(outcome.detail).toMatch(/queryA \w+ name\.invalid/);
  });
  await egress.close();
});

test('a name has the addresses of the families that are answered', async () => {
  const resolve = resolveByDns([await nameServer()]);
  expect(await resolve('four.test')).toEqual([FOUR]);
  expect(await resolve('half.test')).toEqual([FOUR]);
});

test('a name that the server refuses has none', async () => {
  const resolve = resolveByDns([await nameServer()]);
  await expect(resolve('gone.test')).rejects.toThrow('gone.test');
});
