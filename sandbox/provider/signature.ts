/** Signs callbacks as Standard Webhooks 1.0.0 has it (STANDARDS §7). */
import { createHmac } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
/** The specification's bounds. */
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;

export interface SignedHeaders {
  readonly 'webhook-id': string;
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
}

/** @param secret `whsec_` and the base64 of 24 to 64 bytes */
export function parseSecret(secret: string): Buffer {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  const isSound =
    secret.startsWith(SECRET_PREFIX) && key.length >= MIN_SECRET_BYTES && key.length <= MAX_SECRET_BYTES;
  if (!isSound)
    throw new Error(
      `a webhook secret is ${SECRET_PREFIX} and the base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`,
    );
  return key;
}

export interface SignedMessage {
  readonly webhookId: string;
  /** Of the attempt, ms. */
  readonly sentAt: number;
  /** As it is sent, byte for byte. */
  readonly body: string;
}

export function signedHeaders({ webhookId, sentAt, body }: SignedMessage, key: Buffer): SignedHeaders {
  const timestamp = String(Math.floor(sentAt / 1000));
  const signature = createHmac('sha256', key).update(`${webhookId}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': webhookId,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}
