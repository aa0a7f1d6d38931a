/**
 * The two payment providers of the sandbox, each a process of its own that all Lastro processes on one data folder use:
 * started with the first, stopped with the last, started again if it ends (platform/processes/shared-program.ts).
 *
 * Each process notes its callback URL in its participant's file. A provider reads these files whenever it has something
 * to tell, and tries the URLs in turn: whichever process lives is called, also by a provider that was just started again.
 */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '#kernel/fault.ts';
import type { ServerReport } from '#platform/processes/keep-running.ts';
import {
  openSharedProgram,
  type ProgramPlace,
  type SharedProgram,
} from '#platform/processes/shared-program.ts';
import type { Logger } from '#platform/telemetry/logger.ts';

export const SANDBOX_PROVIDERS = ['alfa', 'beta'] as const;

/** A program of its own: it is run by its path and never imported. */
const SCRIPT = fileURLToPath(new URL('../sandbox/provider/main.ts', import.meta.url));
const READY_TIMEOUT_MS = 1000;

export interface SandboxProvider {
  readonly name: string;
  /** `http://127.0.0.1:<port>`; stays the same while it is used. */
  readonly url: string;
  readonly apiKey: string;
  /** `whsec_…` (Standard Webhooks): what its callbacks are signed with. */
  readonly webhookSecret: string;
}

export interface SandboxProviders {
  readonly providers: readonly SandboxProvider[];
  /** Stops those that nobody else uses. A second call does nothing. */
  close(): Promise<void>;
}

export interface SandboxProvidersOptions {
  /** Made when missing. Theirs is `<dataDir>/sandbox-providers/<name>`, described in platform/processes/program-folder.ts. */
  readonly dataDir: string;
  /** Where this process takes the callbacks of the provider of that name: `http://…` */
  readonly callbackUrlOf: (name: string) => string;
  /** Told when one ends and is started again. */
  readonly logger: Pick<Logger, 'error' | 'warn'>;
}

export async function openSandboxProviders(options: SandboxProvidersOptions): Promise<SandboxProviders> {
  const opening = SANDBOX_PROVIDERS.map((name) => openProvider(name, options));
  const settled = await Promise.allSettled(opening);
  const opened = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(opened.map(({ program }) => program.close()));
  };
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  return { providers: opened.map(({ provider }) => provider), close };
}

interface OpenedProvider {
  readonly program: SharedProgram;
  readonly provider: SandboxProvider;
}

async function openProvider(
  name: string,
  { dataDir, callbackUrlOf, logger }: SandboxProvidersOptions,
): Promise<OpenedProvider> {
  const program = await openSharedProgram({
    folder: providerFolder(dataDir, name),
    script: SCRIPT,
    makeSecrets: makeProviderSecrets,
    note: callbackUrlOf(name),
    commandFor: (port, place) => commandFor(name, port, place),
    isReady: (port, { secrets }) => answers(port, secretOf(secrets, 'api_key')),
    report: logProvider(logger, name),
  });
  const { port, secrets } = program;
  const provider = {
    name,
    url: `http://127.0.0.1:${port}`,
    apiKey: secretOf(secrets, 'api_key'),
    webhookSecret: secretOf(secrets, 'webhook_secret'),
  };
  return { program, provider };
}

export function providerFolder(dataDir: string, name: string): string {
  return join(resolve(dataDir), 'sandbox-providers', name);
}

/** 256 random bits each. */
export function makeProviderSecrets(): Readonly<Record<string, string>> {
  return {
    api_key: `sandbox_${randomBytes(32).toString('hex')}`,
    webhook_secret: `whsec_${randomBytes(32).toString('base64')}`,
  };
}

export function secretOf(secrets: Readonly<Record<string, string>>, name: string): string {
  const secret = secrets[name];
  if (secret === undefined) throw new Fault(`${name} is missing in identity.json`, { transient: false });
  return secret;
}

function commandFor(
  name: string,
  port: number,
  { program, secrets }: ProgramPlace,
): { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  return {
    args: Object.entries({
      '--name': name,
      '--port': String(port),
      '--book': program.book,
      '--participants': program.participants,
    }).flat(),
    env: {
      SANDBOX_PROVIDER_API_KEY: secretOf(secrets, 'api_key'),
      SANDBOX_PROVIDER_WEBHOOK_SECRET: secretOf(secrets, 'webhook_secret'),
    },
  };
}

/** By a route that no behaviour disturbs, and that takes its key alone: `/health` may hang because it was told to. */
async function answers(port: number, apiKey: string): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/behaviours`, {
      headers: { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(READY_TIMEOUT_MS),
    });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false; // it is not there yet, or not any more
  }
}

function logProvider(logger: SandboxProvidersOptions['logger'], name: string): ServerReport {
  return {
    ended: () => logger.error({ provider: name }, 'a sandbox provider has ended: it is started again'),
    restarted: () => logger.warn({ provider: name }, 'a sandbox provider runs again'),
    notRestarted: (error, nextAttemptMs) =>
      logger.error(
        { provider: name, err: error, next_attempt_ms: nextAttemptMs },
        'a sandbox provider could not be started again',
      ),
  };
}
