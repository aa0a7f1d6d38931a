import { describe, expect, it } from 'vitest';
import { renderProvidersFile } from './providers-file.ts';

describe('renderProvidersFile', () => {
  const providers = ['alfa', 'beta'].map((name, index) => ({
    name,
    url: `http://127.0.0.1:${9000 + index}`,
    apiKey: `sandbox_${name}`,
    webhookSecret: `whsec_${name}`,
  }));

  it('has one route for everything, the providers in their order', () => {
    const document = JSON.parse(renderProvidersFile(providers)) as Record<string, unknown>;
    expect(document['routes']).toEqual([{ providers: ['alfa', 'beta'] }]);
    expect(document['providers']).toMatchObject({
      alfa: { url: 'http://127.0.0.1:9000', api_key: 'sandbox_alfa', webhook_secret: 'whsec_alfa' },
      beta: { url: 'http://127.0.0.1:9001' },
    });
  });

  it('leaves room for two thousand charges a second that take 100 ms, and for a stall', () => {
    const { providers: terms } = JSON.parse(renderProvidersFile(providers)) as {
      providers: Record<string, { concurrency: number }>;
    };
    expect(terms['alfa']?.concurrency).toBeGreaterThanOrEqual(1000);
  });
});
