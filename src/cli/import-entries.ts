/** `lastro import-entries`: sends a CSV file to a running process by its API, and shows how far it is until every line is read. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { untilDone } from '#platform/batch/repeat.ts';
import { failWithoutVerdict, readEnvironment, say } from './environment.ts';
import { ProgressLine } from './progress-line.ts';

/** Between looks. */
const LOOK_MS = 200;
/** The file has to arrive within half a minute; then it is decided. */
const SEND_TIMEOUT_MS = 60_000;
const READ_TIMEOUT_MS = 10_000;
/** Lines that could not be recorded, of which so many are printed. */
const ERRORS_SHOWN = 100;

export interface ImportEntriesOptions {
  readonly account?: string;
  readonly onError: string;
  readonly url?: string;
  readonly key?: string;
}

/** As the API tells it. */
interface Import {
  readonly id: string;
  readonly state: string;
  readonly lines: number;
  readonly read: number;
  readonly recorded: number;
  readonly already_recorded: number;
  readonly failed: number;
}

interface ErrorPage {
  readonly data: readonly { readonly line: number; readonly code: string; readonly detail: string }[];
}

export async function importEntries(file: string, options: ImportEntriesOptions): Promise<void> {
  try {
    const api = apiOf(options);
    const begun = await send(api, file, options);
    const ended = await follow(api, begun.id);
    await report(api, ended);
  } catch (error) {
    failWithoutVerdict(error);
  }
}

interface Api {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** By default the process of this environment, and in the sandbox without a key. */
function apiOf({ url, key }: ImportEntriesOptions): Api {
  const { settings } = readEnvironment();
  const apiKey = key ?? settings.apiKey;
  return {
    url: url?.replace(/\/+$/, '') ?? `http://127.0.0.1:${settings.port}`,
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
  };
}

async function send(api: Api, file: string, { account, onError }: ImportEntriesOptions): Promise<Import> {
  const found = await stat(file);
  if (!found.isFile()) throw new Error(`${file} is not a file`);
  const { size } = found;
  const query = new URLSearchParams({
    on_error: onError,
    ...(account === undefined ? {} : { account_id: account }),
  });
  const line = new ProgressLine();
  const answer = await ask(api, `/v1/cash-entries/imports?${query.toString()}`, {
    method: 'POST',
    headers: {
      ...api.headers,
      'content-type': 'text/csv',
      'content-length': String(size),
      'idempotency-key': randomUUID(),
    },
    body: Readable.toWeb(metered(createReadStream(file), size, line)),
    duplex: 'half',
    signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
  });
  line.end();
  return (await documentOf(answer)) as Import;
}

function metered(content: Readable, total: number, line: ProgressLine): Readable {
  const startedAt = performance.now();
  let done = 0;
  content.on('data', (data: Buffer) => {
    done += data.length;
    const ratePerSecond = (done * 1000) / Math.max(1, performance.now() - startedAt);
    line.show({ phase: 'bytes sent', done, total, ratePerSecond });
  });
  return content;
}

/** Until every line is read. A process that does not answer may be starting again. */
async function follow(api: Api, id: string): Promise<Import> {
  const line = new ProgressLine();
  const startedAt = performance.now();
  let told: string | undefined;
  const ended = await untilDone(
    async () => {
      const present = (await read(api, `/v1/cash-entries/imports/${id}`)) as Import;
      const { state, read: done, lines } = present;
      const ratePerSecond = (done * 1000) / Math.max(1, performance.now() - startedAt);
      line.show({ phase: state, done, total: lines - 1, ratePerSecond });
      told = undefined;
      if (state !== 'completed' && state !== 'refused') throw new UnderWay();
      return present;
    },
    async (error) => {
      if (!(error instanceof UnderWay || error instanceof NoAnswer)) throw error;
      if (error instanceof NoAnswer && error.message !== told) {
        told = error.message;
        line.end();
        say(`${told}; asked again until it answers. The file is kept: ${id} goes on without this command`);
      }
      await delay(LOOK_MS);
    },
  );
  line.end();
  return ended;
}

class UnderWay extends Error {}
/** Or none yet: another try may have one. */
class NoAnswer extends Error {}

/** `fetch`, which by itself does not say whom it did not reach. */
async function ask({ url }: Api, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${url}${path}`, init);
  } catch (error) {
    const why = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new NoAnswer(`no answer from ${url}: ${why instanceof Error ? why.message : String(why)}`);
  }
}

async function report(api: Api, { id, state, recorded, already_recorded, failed }: Import): Promise<void> {
  const before = already_recorded === 0 ? '' : `, ${already_recorded} were recorded before`;
  console.log(`${id}: ${state}; ${recorded} entries recorded${before}, ${failed} lines failed`);
  if (failed === 0) return;
  const page = await read(api, `/v1/cash-entries/imports/${id}/errors?limit=${ERRORS_SHOWN}`);
  for (const { line, code, detail } of (page as ErrorPage).data)
    console.log(`line ${line}: ${code}: ${detail}`);
  if (failed > ERRORS_SHOWN) console.log(`… and ${failed - ERRORS_SHOWN} more`);
  process.exitCode = 1;
}

async function read(api: Api, path: string): Promise<unknown> {
  const answer = await ask(api, path, {
    headers: api.headers,
    signal: AbortSignal.timeout(READ_TIMEOUT_MS),
  });
  return documentOf(answer);
}

async function documentOf(answer: Response): Promise<unknown> {
  const document: unknown = await answer.json().catch((error: unknown): never => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NoAnswer(`${answer.status} from ${answer.url}, and not the JSON that Lastro answers: ${why}`);
  });
  if (answer.ok) return document;
  const { code, detail } = document as { code: string; detail: string };
  const comesAgain = answer.status === 503 || answer.status === 429;
  throw new (comesAgain ? NoAnswer : Error)(`${answer.status} ${code}: ${detail}`);
}
