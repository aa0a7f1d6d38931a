/**
 * Receivers of webhooks, thousands of endpoints in one process: those under `/live` answer at once, those under `/hung` never.
 * It counts, and measures from the event's time to its arrival: both clocks are this machine's.
 */
import { createServer } from 'node:http';
import { type DurationSummary, Histogram } from './histogram.ts';

export interface WebhookTally {
  /** Each event at each endpoint once. */
  readonly delivered: number;
  readonly delay: DurationSummary;
  /** Requests that nobody answers. */
  readonly hung: number;
  /** What came again. */
  readonly repeated: number;
  /** Of a subject at an endpoint, what came before what is before it. */
  readonly outOfOrder: number;
}

export type ReceiverReport =
  | { readonly port: number }
  | { readonly count: number }
  | { readonly tally: WebhookTally };

let delays = new Histogram();
let delivered = 0;
let repeated = 0;
let hung = 0;
let outOfOrder = 0;
const last = new Map<string, number>();

interface Told {
  readonly time: string;
  readonly subject: string;
  readonly sequence: string;
}

function take(path: string, text: string): void {
  const { time, subject, sequence } = JSON.parse(text) as Told;
  const lane = `${path} ${subject}`;
  const number = Number(sequence);
  const before = last.get(lane) ?? 0;
  if (number === before) {
    repeated += 1;
    return;
  }
  delays.record(Date.now() - Date.parse(time));
  delivered += 1;
  if (number < before) outOfOrder += 1;
  last.set(lane, number);
}

const server = createServer((request, response) => {
  const path = request.url ?? '';
  if (path.startsWith('/hung')) {
    hung += 1;
    request.resume();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.writeHead(204).end();
    take(path, Buffer.concat(chunks).toString());
  });
});
server.keepAliveTimeout = 60_000;

function report(message: ReceiverReport): void {
  process.send?.(message);
}

/** How much has come; or all about it, and then it begins anew. */
process.on('message', (asked: { readonly count?: true }) => {
  if (asked.count === true) {
    report({ count: delivered });
    return;
  }
  report({ tally: { delivered, delay: delays.summary(), repeated, hung, outOfOrder } });
  delays = new Histogram();
  delivered = 0;
  repeated = 0;
  hung = 0;
  outOfOrder = 0;
  last.clear();
});
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  report({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
