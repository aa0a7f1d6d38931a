/**
 * The other way round: whoever holds a reference named it and has not ended unpaid (U2). That each payment holds the
 * one it named is found with its page.
 */
import { idOf, type PaymentId } from '#kernel/ids.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type HeldReference, listReferences } from '#services/payments/contract.ts';
import { namedReference, unpaidEnding } from './expected-rows.ts';
import { Positions } from './group-positions.ts';
import type { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import { type Check, differenceFinding, type Finding } from './report.ts';
import { readTimelinesOf, type SagaTimeline } from './saga-timelines.ts';

const PAGE = { first: 2_000, least: 200, most: 20_000 };

/** The logs that tell who named a reference and who freed it. */
const TOPICS = ['payments', 'validation', 'authorization'] as const;

export async function verifyReferences(
  lane: Lane,
  { check, phase }: { readonly check: Check; readonly phase: Phase },
): Promise<void> {
  const pageSize = new PageSize(PAGE, lane.pace.pageMs);
  for (let after: HeldReference | undefined; ; ) {
    const startedAt = performance.now();
    const cursor = after;
    const limit = pageSize.rows;
    const { held, findings } = await lane.snapshot((reader) => readPage(reader, cursor, limit));
    for (const finding of findings) check.found(finding);
    phase.advance(held.length);
    pageSize.took(performance.now() - startedAt);
    after = placeBehind(held, limit);
    if (after === undefined) return;
  }
}

/** Row and request, and the row's end and the group's position, are of one commit: one snapshot has both or neither. */
async function readPage(
  reader: Reader,
  after: HeldReference | undefined,
  limit: number,
): Promise<{ held: HeldReference[]; findings: Finding[] }> {
  const held = await listReferences(reader, after, limit);
  const subjects = new Set(held.map(subjectOf));
  const [positions, timelines] = await Promise.all([
    Positions.read(reader),
    readTimelinesOf(reader, [...subjects], TOPICS),
  ]);
  const bySubject = new Map(timelines.map((timeline) => [timeline.subject, timeline]));
  const findings = held.flatMap((reference) => {
    const detail = objectionTo(reference, bySubject.get(subjectOf(reference)), positions);
    if (detail === undefined) return [];
    return differenceFinding('reference', subjectOf(reference), { key: {}, kind: 'extra', detail });
  });
  return { held, findings };
}

function subjectOf({ paymentUuid }: HeldReference): PaymentId {
  return idOf('pay', paymentUuid);
}

/** An unpaid ending frees the reference when the payments group passes it; until then either is right. */
function objectionTo(
  held: HeldReference,
  timeline: SagaTimeline | undefined,
  positions: Positions,
): string | undefined {
  const what = `${held.reference} of ${held.tenant}, ${held.walletId} to ${held.serviceId}`;
  if (timeline === undefined || !isNamedBy(timeline, held)) return `no request of this payment names ${what}`;
  const ending = unpaidEnding(timeline);
  if (ending === undefined || !positions.hasPassed('payments', ending)) return undefined;
  return `it holds ${what}, and ended with ${ending.type} at ${ending.identity}`;
}

function isNamedBy(timeline: SagaTimeline, held: HeldReference): boolean {
  const named = namedReference(timeline);
  return (
    named !== undefined &&
    named['tenant'] === held.tenant &&
    named['wallet_id'] === held.walletId &&
    named['service_id'] === held.serviceId &&
    named['reference'] === held.reference
  );
}
