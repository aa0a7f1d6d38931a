/** Whether the product believes in its payment providers, as `GET /v1/providers` tells it. */
import type { Api } from './api.ts';

const LOOK_EVERY_MS = 50;

interface ProviderStanding {
  readonly name: string;
  readonly breaker: 'closed' | 'open' | 'half_open';
}

/** By provider, whether charges are sent to it. */
export async function readBreakers(api: Api): Promise<ReadonlyMap<string, ProviderStanding['breaker']>> {
  const { status, body } = await api.get('/v1/providers');
  if (status !== 200) throw new Error(`/v1/providers was answered ${status}: ${JSON.stringify(body)}`);
  const { data } = body as { data: readonly ProviderStanding[] };
  return new Map(data.map(({ name, breaker }) => [name, breaker]));
}

/** Looks on until the breakers are so; ms from now, or null when the time was over first. */
export async function untilBreakers(
  api: Api,
  isSo: (breakers: ReadonlyMap<string, string>) => boolean,
  timeoutMs: number,
): Promise<number | null> {
  const startedAtMs = performance.now();
  for (;;) {
    const isThere = isSo(await readBreakers(api));
    const elapsedMs = performance.now() - startedAtMs;
    if (isThere) return elapsedMs;
    if (elapsedMs > timeoutMs) return null;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

export function areClosed(breakers: ReadonlyMap<string, string>): boolean {
  return breakers.size > 0 && [...breakers.values()].every((state) => state === 'closed');
}

/** Of a provider that the product does not name nothing is known. */
export function isOpen(state: string | undefined): boolean {
  return state === 'open' || state === 'half_open';
}
