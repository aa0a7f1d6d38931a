/**
 * Clients in a thread of their own: what they send lies in the kernel, in connections that nobody has accepted, for as long
 * as the thread of the server does something else.
 */
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const SENT_WITHIN_MS = 30_000;

interface Call {
  readonly port: number;
  readonly request: string;
  readonly count: number;
  /** One when all have sent it. */
  readonly sent: Int32Array<SharedArrayBuffer>;
}

/** Holds this thread up until everybody has sent the request; what each had received when its connection was closed. */
export function callBeforeAccepted(
  port: number,
  { request, count }: Pick<Call, 'request' | 'count'>,
): Promise<string[]> {
  const sent = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const call: Call = { port, request, count, sent };
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: call });
  const received = new Promise<string[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  Atomics.wait(sent, 0, 0, SENT_WITHIN_MS);
  return received;
}

/** A runner of tests may itself be such a thread, with data of its own. */
function isCall(data: unknown): data is Call {
  return typeof data === 'object' && data !== null && 'sent' in data;
}

async function callAll({ port, request, count, sent }: Call): Promise<string[]> {
  const callers = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  const answers = callers.map(async (socket) => {
    let received = '';
    socket.on('data', (chunk) => {
      received += String(chunk);
    });
    // A peer that is cut off may be reset; what it received is what counts.
    socket.on('error', () => undefined);
    await new Promise((resolve) => {
      socket.once('close', resolve);
    });
    return received;
  });
  await Promise.all(callers.map((socket) => new Promise((resolve) => socket.write(request, resolve))));
  Atomics.store(sent, 0, 1);
  Atomics.notify(sent, 0);
  return Promise.all(answers);
}

// oxlint-disable-next-line require-post-message-target-origin -- between threads there is no origin
if (!isMainThread && isCall(workerData)) parentPort?.postMessage(await callAll(workerData));
