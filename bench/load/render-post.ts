/** A POST as it goes over the wire, rendered once per connection: what is of fixed width is overwritten for each request. */
import { BLANK_UUID } from './fixed-width.ts';

export interface PostOptions {
  readonly path: string;
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  /** JSON of one-byte characters. */
  readonly body: string;
  /** Whether it has an idempotency key, which is to be overwritten. */
  readonly isKeyed?: boolean;
  readonly headers?: readonly string[];
}

export function renderPost({ path, host, apiKey, body, isKeyed = true, headers = [] }: PostOptions): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${apiKey}`,
    ...(isKeyed ? [`idempotency-key: ${BLANK_UUID}`] : []),
    'content-type: application/json',
    `content-length: ${body.length}`,
    ...headers,
    '',
    body,
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
