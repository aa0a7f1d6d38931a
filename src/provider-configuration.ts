/** Which payment providers a process knows: those of the operator's file, in the sandbox its own, else none. */
import { readFile } from 'node:fs/promises';
import { Fault } from '#kernel/fault.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import {
  type Configuration,
  NO_PROVIDERS,
  parseProvidersFile,
  renderConfigurationFaults,
  sandboxConfiguration,
} from '#services/providers/configuration.ts';
import { openSandboxProviders } from './sandbox-providers.ts';
import type { Stops } from './stops.ts';

export interface ProviderPlace {
  readonly settings: Settings;
  readonly dataDir: string;
  readonly logger: Logger;
  readonly stops: Stops;
}

/** `url`: where this process will take callbacks. The sandbox's providers are started only by who pays through them. */
export async function openProviderConfiguration(place: ProviderPlace, url: string): Promise<Configuration> {
  const { settings } = place;
  if (!settings.services.includes('providers')) return NO_PROVIDERS;
  const defaults = { timeoutMs: settings.providerTimeoutMs };
  if (settings.providersFile !== undefined) return readConfiguration(settings.providersFile, defaults);
  if (settings.mode !== 'sandbox') return NO_PROVIDERS;
  const { dataDir, logger, stops } = place;
  const callbackUrlOf = (name: string): string => `${url}/v1/provider-callbacks/${name}`;
  const sandbox = await openSandboxProviders({ dataDir, callbackUrlOf, logger });
  stops.add(() => sandbox.close());
  return sandboxConfiguration(sandbox.providers, defaults);
}

/** Whether payments through a gateway are taken here, whichever process then charges them. */
export function takesGatewayPayments({ providersFile, mode }: Settings): boolean {
  return providersFile !== undefined || mode === 'sandbox';
}

async function readConfiguration(path: string, defaults: { timeoutMs: number }): Promise<Configuration> {
  const parsed = parseProvidersFile(await textOf(path), defaults);
  if (parsed.ok) return parsed.value;
  const message = `${path}, which LASTRO_PROVIDERS_FILE names, cannot be used:\n${renderConfigurationFaults(parsed.faults)}`;
  throw new Fault(message, { transient: false });
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const message = `${path}, which LASTRO_PROVIDERS_FILE names, cannot be read: ${(error as Error).message}`;
    throw new Fault(message, { transient: false, cause: error });
  }
}
