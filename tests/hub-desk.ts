/** The hub's API as its users call it: every answer is kept, so that a test can look for what must never be in one. */
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';
import { vi } from 'vitest';

export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

const PATIENT_MS = 30_000;
const ENDED = ['delivered', 'refused', 'failed', 'undone', 'undo_failed'];

export class HubDesk {
  readonly answers: string[] = [];
  url: string;

  constructor(url: string) {
    this.url = url;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HubAnswer> {
    const isJson = body !== undefined && !Buffer.isBuffer(body);
    const answer = await fetch(this.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : new Uint8Array(body) }),
    });
    const text = await answer.text();
    this.answers.push(text);
    const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: answer.status, headers: answer.headers, body: parsed };
  }

  putSecret(name: string, value: string): Promise<HubAnswer> {
    return this.call('PUT', `/v1/secrets/${name}`, { value });
  }

  putConnector(name: string, definition: unknown, version = 0): Promise<HubAnswer> {
    return this.call('PUT', `/v1/connectors/${name}`, definition, { 'if-match': `"${version}"` });
  }

  send(
    connector: string,
    message: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HubAnswer> {
    return this.call('POST', `/v1/integrations/${connector}`, message, headers);
  }

  /** As somebody who signs by Standard Webhooks. */
  hook(
    connector: string,
    body: string,
    { secret, id, at = new Date() }: { readonly secret: string; readonly id: string; readonly at?: Date },
  ): Promise<HubAnswer> {
    return this.call('POST', `/hooks/sandbox/${connector}`, Buffer.from(body), {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    });
  }

  /** The integration as it is described once it has ended. */
  ended(id: unknown): Promise<HubAnswer['body']> {
    return vi.waitUntil(
      async () => {
        const { body } = await this.call('GET', `/v1/integrations/${String(id)}`);
        return ENDED.includes(String(body['status'])) ? body : undefined;
      },
      { timeout: PATIENT_MS, interval: 50 },
    );
  }
}

/** A connector of sandbox/connectors, which calls another partner than its own. */
export function exampleConnector(name: string, partnerUrl: string): Record<string, unknown> {
  const text = readFileSync(new URL(`../sandbox/connectors/${name}.json`, import.meta.url), 'utf8');
  return JSON.parse(text.replaceAll('http://127.0.0.1:8090', partnerUrl)) as Record<string, unknown>;
}
