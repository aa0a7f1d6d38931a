/** A delivery that was given up becomes a dead letter and an event, in the commit that ends it. */

import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { type BuriedWork, buryGivenUp, type GivenUp } from '#platform/dead-letters/given-up.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { Claim } from '../claim-store.ts';
import { CALLBACKS } from '../endpoint.ts';
import { WEBHOOK_GROUP } from '../event-patterns.ts';
import type { NotificationExhausted } from '../events.ts';
import { destinationOf } from '../request.ts';
import { type Exhausted, findExhausted } from './exhausted-store.ts';

export interface GivenUpDelivery {
  readonly claim: Claim;
  readonly outcome: EgressOutcome;
}

/** `authorization/3/1041`; a test tells of no event. */
const EVENT = /^(?<topic>[a-z_]+)\/(?<partition>\d+)\/(?<position>\d+)$/;
const VERSION = /"type":"lastro\.[a-z_.]+\.v(\d+)"/;

/** What was buried, and the events that tell of it. */
export async function buryExhausted(
  tx: Transaction,
  given: readonly GivenUpDelivery[],
  now: EpochMs,
): Promise<{ readonly drafts: EventDraft[]; readonly buried: readonly BuriedWork[] }> {
  const known = await findExhausted(
    tx,
    given.map(({ claim }) => claim.uuid),
  );
  const buried = buryGivenUp(
    tx,
    given.flatMap((each) => letterOf(each, known.get(each.claim.uuid))),
    now,
  );
  return { drafts: given.map(exhaustedEvent), buried };
}

function letterOf({ claim, outcome }: GivenUpDelivery, known: Exhausted | undefined): GivenUp[] {
  const { topic, partition, position } = EVENT.exec(claim.event)?.groups ?? {};
  if (topic === undefined || known === undefined) return [];
  const { tenant } = claim.endpoint;
  const { subject, type } = claim;
  const version = Number(VERSION.exec(claim.body)?.[1] ?? 1);
  return [
    {
      group: WEBHOOK_GROUP,
      event: {
        topic,
        partition: Number(partition),
        position: Number(position),
        tenant,
        subject,
        type,
        version,
        correlationId: claim.correlationId,
      },
      target: targetOf(claim),
      work: idOf('dlv', claim.uuid),
      failure: { code: codeOf(outcome), text: outcome.detail, status: outcome.answer?.status ?? null },
      attempts: claim.number,
      firstAt: known.first_at,
      waitsFor: mayGoAgain({ claim, outcome }, known) ? destinationOf(claim.endpoint.key) : null,
    },
  ];
}

/** By itself: what has been sent again waits for a person. */
function mayGoAgain({ outcome }: GivenUpDelivery, known: Exhausted): boolean {
  return known.automatic_replay && isAway(outcome) && known.repeats === null;
}

function targetOf({ endpoint }: Claim): string {
  return endpoint.kind === 'endpoint' ? idOf('whe', endpoint.uuid) : CALLBACKS;
}

export function isAway({ kind }: EgressOutcome): boolean {
  return kind === 'transient' || kind === 'unknown';
}

function codeOf({ kind }: EgressOutcome): NotificationExhausted['code'] {
  if (kind === 'permanent') return 'webhooks.receiver_refuses';
  return kind === 'unknown' ? 'webhooks.outcome_unknown' : 'webhooks.receiver_fails';
}

function exhaustedEvent({ claim, outcome }: GivenUpDelivery): EventDraft {
  const { endpoint, event, type, subject: about, number: attempts } = claim;
  const subject = idOf('dlv', claim.uuid);
  const data: NotificationExhausted = {
    delivery_id: subject,
    endpoint_id: endpoint.kind === 'endpoint' ? idOf('whe', endpoint.uuid) : null,
    event,
    about: type,
    subject: about,
    attempts,
    code: codeOf(outcome),
    detail: outcome.detail,
  };
  return {
    type: 'notification.exhausted',
    version: 1,
    subject,
    tenant: endpoint.tenant,
    key: subject,
    data,
    correlationId: claim.correlationId,
    causation: event,
    traceparent: claim.traceparent,
  };
}
