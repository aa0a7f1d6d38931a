/** Puts a provider together and runs it in this process. */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { Behaviours } from './behaviours.ts';
import { Book } from './book.ts';
import { CallbackSender } from './callback-sender.ts';
import { type CallbackTargets, fixedTarget, ParticipantTargets } from './callback-targets.ts';
import { Callbacks } from './callbacks.ts';
import type { Surroundings } from './decision.ts';
import { createEdge } from './http-edge.ts';
import { Journal } from './journal.ts';
import { Listener } from './listener.ts';
import type { ProviderSettings } from './options.ts';
import { Provider } from './provider.ts';
import { parseSecret } from './signature.ts';

/** For answers on their way; who still waits then, waits on request, and has its connection cut. */
const DRAIN_MS = 500;

export interface RunningProvider {
  readonly url: string;
  /** Takes nothing more, sends what is on its way, and leaves the book whole. */
  close(): Promise<void>;
}

/** @param onFailure is told of what cannot be gone on from: the process has to end */
export async function runProvider(
  settings: ProviderSettings,
  onFailure: (error: unknown) => void,
): Promise<RunningProvider> {
  const book = new Book();
  const journal = await Journal.open({
    path: settings.book,
    onRecord: (record) => book.apply(record),
    onFailure,
  });
  const callbacks = openCallbacks(settings, journal, book);
  const behaviours = new Behaviours(Math.random);
  const { latencyMs } = settings;
  const provider = new Provider({ book, journal, behaviours, callbacks, latencyMs, surroundings });
  const server = createEdge({
    ...settings,
    provider,
    book,
    settled: () => journal.settled(),
    control: { behaviours, surroundings, refuseConnections: (forMs) => listener.refuse(forMs) },
    onError: tellOnStandardError,
  });
  const listener = new Listener(server, settings);
  const port = await listener.open();
  provider.resume();
  const close = async (): Promise<void> => {
    callbacks?.close();
    await drain(server, listener);
    await journal.close();
  };
  return { url: `http://${settings.host}:${port}`, close };
}

function openCallbacks(settings: ProviderSettings, journal: Journal, book: Book): Callbacks | undefined {
  const targets = targetsOf(settings);
  if (targets === undefined) return undefined;
  const sender = new CallbackSender(targets, parseSecret(settings.webhookSecret));
  const onDone = (id: string): void => {
    book.apply({ done: id });
    journal.append({ done: id });
  };
  return new Callbacks({ sender, now: Date.now, onDone });
}

function targetsOf({ callbackUrl, participants }: ProviderSettings): CallbackTargets | undefined {
  if (callbackUrl !== undefined) return fixedTarget(callbackUrl);
  return participants === undefined ? undefined : new ParticipantTargets(participants, Date.now);
}

function surroundings(): Surroundings {
  return { now: Date.now(), newId: (prefix) => `${prefix}_${randomUUID().replaceAll('-', '')}` };
}

/** A request that failed for no reason of its caller's: its connection is cut, the others go on. */
function tellOnStandardError(error: unknown): void {
  process.stderr.write(`a request failed: ${error instanceof Error ? error.stack : String(error)}\n`);
}

async function drain(server: Server, listener: Listener): Promise<void> {
  if (!server.listening) return listener.stop();
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  listener.stop();
  const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(timer);
}
