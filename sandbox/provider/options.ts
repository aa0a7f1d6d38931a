/** What the program is told by its command line, and, since everybody sees that, its secrets by the environment. */
import { parseArgs } from 'node:util';
import { isCallbackUrl } from './callback-targets.ts';
import { parseSecret } from './signature.ts';

export const API_KEY_VARIABLE = 'SANDBOX_PROVIDER_API_KEY';
export const WEBHOOK_SECRET_VARIABLE = 'SANDBOX_PROVIDER_WEBHOOK_SECRET';

export interface ProviderSettings {
  readonly name: string;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** The journal's path. */
  readonly book: string;
  readonly apiKey: string;
  readonly webhookSecret: string;
  /** One address, a folder of participants' files, or nobody who is called back. */
  readonly callbackUrl: string | undefined;
  readonly participants: string | undefined;
  readonly latencyMs: number;
}

/** @throws Error that says what to give */
export function parseSettings(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ProviderSettings {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      name: text,
      host: { ...text, default: '127.0.0.1' },
      port: { ...text, default: '0' },
      book: text,
      'callback-url': text,
      participants: text,
      'latency-ms': { ...text, default: '0' },
    },
  });
  return checkedSettings({
    name: required(values.name, '--name'),
    host: values.host,
    port: wholeNumber(values.port, '--port', 65_535),
    book: required(values.book, '--book'),
    apiKey: required(environment[API_KEY_VARIABLE], `the variable ${API_KEY_VARIABLE}`),
    webhookSecret: required(environment[WEBHOOK_SECRET_VARIABLE], `the variable ${WEBHOOK_SECRET_VARIABLE}`),
    callbackUrl: values['callback-url'],
    participants: values.participants,
    latencyMs: wholeNumber(values['latency-ms'], '--latency-ms', 600_000),
  });
}

export function checkedSettings(settings: ProviderSettings): ProviderSettings {
  parseSecret(settings.webhookSecret);
  checkCallbackUrl(settings.callbackUrl);
  return settings;
}

export function checkCallbackUrl(url: string | undefined): void {
  if (url !== undefined && !isCallbackUrl(url))
    throw new Error(`--callback-url has to be a URL that begins with http://, not ${url}`);
}

function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw new Error(`${name} has to be given`);
  return value;
}

export function wholeNumber(text: string, name: string, max: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) <= max) return Number(text);
  throw new Error(`${name} has to be a whole number from 0 to ${max}, not ${text}`);
}
