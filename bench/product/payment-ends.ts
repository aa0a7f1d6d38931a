/** What became of payments, by the API: their final states and verdicts, and what those wait for that have none. */
import { type Api, forEachConcurrently } from './api.ts';

const CONCURRENT_READS = 8;
const PAGE = 500;
/** Payments whose last event is looked up one by one. */
const REASONS_MAX = 200;

const COMPLETED: ReadonlySet<string> = new Set(['completed']);
/** From which no payment moves on by itself. */
export const ENDINGS: ReadonlySet<string> = new Set([
  'completed',
  'rejected',
  'declined',
  'cancelled',
  'failed',
  'compensated',
]);
/** Last events of a payment that waits for a provider or for a person: why it waits is written down. */
const NAMED_REASON = /^provider\.|^payment\.reconciliation_required$/;

interface ListedPayment {
  readonly id: string;
  readonly status: string;
}

interface Page<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}

/** How many of these payments have one of the endings, and a complete verdict. */
export async function countEnded(
  api: Api,
  ids: readonly string[],
  endings: ReadonlySet<string> = COMPLETED,
): Promise<number> {
  let ended = 0;
  await forEachConcurrently(ids, CONCURRENT_READS, async (id) => {
    const [payment, verdict] = await Promise.all([
      api.get(`/v1/payments/${id}`),
      api.get(`/v1/payments/${id}/verdict`),
    ]);
    const { status } = payment.body as { status?: string };
    const judged = verdict.body as { verdict?: string };
    if (endings.has(status ?? '') && judged.verdict === 'complete') ended += 1;
  });
  return ended;
}

/** How many of these payments have completed, verdict or not. */
export async function countCompleted(api: Api, ids: readonly string[]): Promise<number> {
  let completed = 0;
  await forEachConcurrently(ids, CONCURRENT_READS, async (id) => {
    const { body } = await api.get(`/v1/payments/${id}`);
    if (COMPLETED.has((body as { status?: string }).status ?? '')) completed += 1;
  });
  return completed;
}

/** Payments that the filter of the list finds, newest first. */
export async function listPayments(
  api: Api,
  filter: Readonly<Record<string, string>>,
): Promise<ListedPayment[]> {
  const found: ListedPayment[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query = new URLSearchParams({
      ...filter,
      limit: String(PAGE),
      ...(cursor === '' ? {} : { cursor }),
    });
    const { status, body } = await api.get(`/v1/payments?${query.toString()}`);
    if (status !== 200) throw new Error(`the payments were answered ${status}: ${JSON.stringify(body)}`);
    const page = body as Page<ListedPayment>;
    found.push(...page.data);
    cursor = page.next_cursor;
  }
  return found;
}

export function countStatuses(payments: readonly ListedPayment[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of payments) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

export interface Waiting {
  readonly payments: number;
  /** Of those looked at, how many have which last event. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Of those looked at, the ones that nothing says they wait for. */
  readonly withoutReason: number;
}

/** What payments without an end wait for. Some hundreds are looked at, spread over all. */
export async function explainWaiting(api: Api, payments: readonly ListedPayment[]): Promise<Waiting> {
  const every = Math.max(1, Math.ceil(payments.length / REASONS_MAX));
  const looked = payments.filter((_, index) => index % every === 0);
  const reasons: Record<string, number> = {};
  await forEachConcurrently(looked, CONCURRENT_READS, async ({ id }) => {
    const { body } = await api.get(`/v1/payments/${id}/events`);
    const last = (body as Page<{ type: string }>).data.at(-1)?.type ?? 'none';
    reasons[last] = (reasons[last] ?? 0) + 1;
  });
  const unnamed = Object.entries(reasons).filter(([reason]) => !isNamedReason(reason));
  return {
    payments: payments.length,
    reasons,
    withoutReason: unnamed.reduce((sum, [, count]) => sum + count, 0),
  };
}

export function isNamedReason(event: string): boolean {
  return NAMED_REASON.test(event);
}
