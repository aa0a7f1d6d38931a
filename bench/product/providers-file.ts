/** What LASTRO_PROVIDERS_FILE names: the providers of the run, in the order in which they are tried. */
import { writeFileSync } from 'node:fs';
import type { SandboxProvider } from './sandbox-provider.ts';

export type ProviderAddress = Pick<SandboxProvider, 'name' | 'url' | 'apiKey' | 'webhookSecret'>;

/**
 * Charges under way at a time. 2000 a second with a latency of 100 ms are 200; what a stall of some hundred ms
 * holds up must not overflow to the other provider, or a bound would be measured that any installation chooses for itself.
 */
const CONCURRENCY = 1024;

export function renderProvidersFile(providers: readonly ProviderAddress[]): string {
  const terms = providers.map(({ name, url, apiKey, webhookSecret }) => [
    name,
    { url, api_key: apiKey, webhook_secret: webhookSecret, concurrency: CONCURRENCY, void: true },
  ]);
  const routes = [{ providers: providers.map(({ name }) => name) }];
  return `${JSON.stringify({ providers: Object.fromEntries(terms) as unknown, routes }, null, 2)}\n`;
}

/** For its owner alone: it has the keys in it. */
export function writeProvidersFile(path: string, providers: readonly ProviderAddress[]): void {
  writeFileSync(path, renderProvidersFile(providers), { mode: 0o600 });
}
