/** One attempt as a request. Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { EgressRequest } from '#platform/egress/egress.ts';
import type { Claim } from './claim-store.ts';
import { type SigningKey, signatureHeaders } from './signature.ts';

/** Within what the specification asks of senders, 15 to 30 s. */
export const DELIVERY_TIMEOUT_MS = 15_000;
/** Of what is taken: longer than waiting for a place, an attempt and the commit of its outcome can take. */
export const LEASE_MS = 2 * DELIVERY_TIMEOUT_MS;
/** CloudEvents compares a sequence as text. */
const SEQUENCE_DIGITS = 10;

/** Breaker and limit are the endpoint's own. */
export function destinationOf(endpointKey: bigint): string {
  return `webhooks/${endpointKey}`;
}

export function requestOf(claim: Claim, keys: readonly SigningKey[], now: EpochMs): EgressRequest {
  const { endpoint, correlationId, traceparent } = claim;
  const body = bodyOf(claim);
  const id = messageIdOf(claim);
  return {
    destination: destinationOf(endpoint.key),
    method: 'POST',
    url: endpoint.url,
    headers: {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': 'Lastro-Webhooks',
      ...signatureHeaders({ id, body }, keys, now),
      'x-correlation-id': correlationId,
      ...(traceparent === null ? {} : { traceparent }),
    },
    body,
    timeoutMs: DELIVERY_TIMEOUT_MS,
  };
}

/** What is sent of a message at one endpoint: with its subject's number there (STANDARDS §4). */
export function bodyOf({ body, sequence }: Pick<Claim, 'body' | 'sequence'>): string {
  return `${body.slice(0, -1)},"sequence":"${String(sequence).padStart(SEQUENCE_DIGITS, '0')}"}`;
}

/**
 * `webhook-id`: the same for each attempt and each repeat, so that a receiver knows what it has seen. Of the subject too: an
 * event's place alone is given again by another installation, and by this one when it was put back to a backup.
 */
export function messageIdOf({ event, subject }: Pick<Claim, 'event' | 'subject'>): string {
  return idOf('msg', derivedUuid('webhook', event, subject));
}
