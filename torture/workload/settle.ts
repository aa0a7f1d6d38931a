/**
 * Lets everything come to its end, and then asks what became of it: all that the checker judges by is asked here, over HTTP
 * and of the providers' books.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { HistoryFile } from '../history/history.ts';
import type { Provider } from '../product/provider.ts';
import { CARD_ACCOUNTS, patiently } from './card-world.ts';
import type { HttpCaller } from './http-caller.ts';
import type { Order } from './order.ts';
import type { Person } from './person.ts';
import { ACCOUNTS } from './world.ts';

/** What a provider has failed at is asked again after half a minute at most, a few times. */
const SETTLES_WITHIN_MS = 150_000;
const LOOK_EVERY_MS = 500;
/** Requests under way. */
const AT_ONCE = 16;
/** A timeline is some kilobytes: of more payments some are taken, evenly. */
const TIMELINES_MAX = 10_000;
/** Of more card transactions some verdicts are read, evenly. */
const CARD_VERDICTS_MAX = 1000;
const UNDER_WAY = ['pending', 'authorized', 'reconciliation_required'];
const CONFIRMED_WITHIN_MS = 15_000;
/** A verdict follows a payment's end within a second or two. */
const JUDGED_WITHIN_MS = 30_000;

export interface Settling {
  readonly caller: HttpCaller;
  readonly person: Person;
  readonly providers: readonly Provider[];
  readonly history: HistoryFile;
  readonly onProgress: (text: string) => void;
}

export async function settle(settling: Settling): Promise<void> {
  const { caller, history, onProgress } = settling;
  onProgress('asking again what nobody has answered');
  await inTurn(caller.orders.open, (order) => caller.order(patiently(order)));
  onProgress('waiting until everything has its end');
  await untilEnded(settling);
  onProgress('asking again for approvals that nobody may have been told');
  await confirmAll(settling);
  history.note({ type: 'settled' });
  onProgress('asking what became of everything');
  await lookAtEverything(settling);
}

async function untilEnded({ caller, person, onProgress }: Settling): Promise<void> {
  const refunds = new Set(caller.orders.refunds);
  for (
    const endsAt = performance.now() + SETTLES_WITHIN_MS;
    performance.now() < endsAt;
    await delay(LOOK_EVERY_MS)
  ) {
    await person.seeToAll();
    const counts = await Promise.all(
      UNDER_WAY.map(async (status) => (await caller.list(`/v1/payments?status=${status}`)).length),
    );
    await inTurn([...refunds], async (id) => {
      const refund = await caller.read<{ status: string }>(`/v1/refunds/${id}`);
      if (refund !== undefined && !UNDER_WAY.includes(refund.status)) refunds.delete(id);
    });
    const payments = counts.reduce((sum, count) => sum + count, 0);
    if (payments + refunds.size === 0) return;
    onProgress(`${payments} payments and ${refunds.size} refunds under way`);
  }
}

/** As the operator of a network does with what is listed, until the list is empty. */
async function confirmAll({ caller }: Settling): Promise<void> {
  for (
    const endsAt = performance.now() + CONFIRMED_WITHIN_MS;
    performance.now() < endsAt;
    await delay(LOOK_EVERY_MS)
  ) {
    const listed = await caller.list<{ external_id: string }>(
      '/v1/card-transactions?confirmation=unconfirmed',
    );
    if (listed.length === 0) return;
    await inTurn(
      listed.flatMap(({ external_id }) => caller.orders.purchasesOf(external_id)),
      (order) => caller.order(patiently(order)),
    );
  }
}

async function lookAtEverything({ caller, providers, history, onProgress }: Settling): Promise<void> {
  const { payments, refunds, repeated } = caller.orders;
  const paths = [
    ...[...payments].map((id) => `/v1/payments/${id}`),
    ...[...refunds].map((id) => `/v1/refunds/${id}`),
  ];
  let seen = 0;
  const tell = (): void => {
    seen += 1;
    if (seen % 1000 === 0) onProgress(`${seen} verdicts read`);
  };
  await inTurn(paths, (path) => untilJudged(caller, path).then(tell));
  const stride = Math.ceil(paths.length / TIMELINES_MAX);
  await inTurn(
    paths.filter((_path, index) => index % stride === 0),
    (path) => caller.look(`${path}/events`),
  );
  onProgress('asking again what was answered');
  await inTurn(repeated, (order: Order) => caller.order(order));
  await inTurn([...refunds], (id) => caller.look(`/v1/refunds/${id}`));
  await caller.list('/v1/payments');
  await caller.list('/v1/card-transactions?confirmation=unconfirmed');
  const cardTransactions = await caller.list<{ id: string; state: string }>('/v1/card-transactions');
  const over = cardTransactions.filter(({ state }) => state !== 'held');
  const every = Math.ceil(over.length / CARD_VERDICTS_MAX);
  await inTurn(
    over.filter((_each, index) => index % every === 0),
    ({ id }) => untilJudged(caller, `/v1/card-transactions/${id}`),
  );
  await inTurn([...ACCOUNTS, ...CARD_ACCOUNTS], (id) => caller.look(`/v1/accounts/${id}`));
  for (const provider of providers)
    history.note({ type: 'book', provider: provider.name, entries: await provider.book() });
}

async function untilJudged(caller: HttpCaller, path: string): Promise<void> {
  for (
    const endsAt = performance.now() + JUDGED_WITHIN_MS;
    performance.now() < endsAt;
    await delay(LOOK_EVERY_MS)
  ) {
    const answer = await caller.read<{ verdict: string }>(`${path}/verdict`);
    if (answer?.verdict !== 'running') return;
  }
}

async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items].reverse();
  const worker = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
